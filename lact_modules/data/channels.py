"""One signal of several channels."""

import numpy as np

# Power of the mean, of what it would be if the channels had nothing in common.
_MIN_SHARE = 0.1


class Mixer:
    """Take one channel of each block, or the mean of all.

    Channels of opposite phase cancel in a mean: where that leaves far less than they
    hold, the loudest is taken. The first block with any sound decides for all.

    Arguments
    ---------
    channel : int | None
        Which one, from 0; their mean if None.

    Example
    -------
    >>> loud = np.ones((100, 1), dtype=np.float32)
    >>> mixer = Mixer()
    >>> float(mixer(np.hstack([0.9 * loud, -loud])).mean()), mixer.chosen
    (-1.0, 1)
    """

    def __init__(self, channel: int | None = None):
        self.channel = channel
        self.chosen: int | None = None
        self._is_decided = channel is not None

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Give (N,) float32 of (N, C) float32.

        Arguments
        ---------
        block : np.ndarray
            (N, C); C > `channel`.

        Returns
        -------
        np.ndarray
            (N,).
        """
        if block.shape[1] == 1:
            return block[:, 0]
        if not self._is_decided:
            self._decide(block)
        channel = self.channel if self.channel is not None else self.chosen
        if channel is not None and channel < block.shape[1]:
            return np.ascontiguousarray(block[:, channel])
        return block.mean(axis=1)

    def _decide(self, block: np.ndarray) -> None:
        powers = np.square(block, dtype=np.float64).mean(axis=0)
        if not powers.any():
            return
        self._is_decided = True
        mixed = np.square(block.mean(axis=1), dtype=np.float64).mean()
        if mixed < _MIN_SHARE * powers.mean() / len(powers):
            self.chosen = int(powers.argmax())
