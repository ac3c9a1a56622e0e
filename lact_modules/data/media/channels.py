"""One signal of several channels."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import numpy as np

from lact_modules.data.media.decoder import DecodingError

# Seconds for which it is decided at a time, and of which any part may decide.
_FRAME_SECONDS = 0.5
_PARTS = 5
# Seconds in which one mixture changes to another.
_FADE_SECONDS = 0.01
# Power of the mean, of what it would be if the channels had nothing in common.
_MIN_SHARE = 0.1
# Part of the power of the loudest, above which a channel is about as loud.
_ABOUT_AS_LOUD = 0.98
# Part of a frame's power, above which a part of it is audible.
_AUDIBLE = 0.1


_CANCEL = "its channels cancel each other; channel {} is read alone where they do"


class Mixer:
    """Take one channel, or the mean of all; `warn` is called if channels cancel out.

    Channels of opposite phase cancel in a mean. That is decided for each half second of
    the stream, counted from its beginning: where the mean leaves far less than the
    channels hold, the loudest is taken.
    """

    def __init__(
        self,
        channel: int | None = None,
        warn: Callable[[str], None] = lambda message: None,
    ):
        self.channel = channel
        self._warn = warn

    def find_start(self, start: int, rate: int, num_channels: int) -> int:
        """Return where to begin, so that `start` on is mixed as in the whole stream."""
        if num_channels == 1 or self.channel is not None:
            return start
        size = _frame_size(rate)
        # the frame before, too, from which it may fade
        return max(0, start // size - 1) * size

    def mix(self, blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
        """Make one channel of blocks (N, C), whose sizes do not matter.

        The first begins at `find_start`. The output of several channels is half a
        second late.
        """
        position = 0
        for num_channels, group in groupby(blocks, key=lambda block: block.shape[1]):
            channel = self.channel or 0
            if channel >= num_channels:
                raise DecodingError(
                    f"has no channel {channel}: it has {num_channels}, counted from 0"
                )
            if num_channels == 1 or self.channel is not None:
                for block in group:
                    position += len(block)
                    yield np.ascontiguousarray(block[:, channel])
                continue
            fade = round(_FADE_SECONDS * rate)
            for samples in self._mix(_frames(group, _frame_size(rate), position), fade):
                position += len(samples)
                yield samples

    def _mix(self, frames: Iterable[np.ndarray], fade: int) -> Iterator[np.ndarray]:
        """Mix frames (N, C), each as it is decided for, and fade between them."""
        chosen: int | None = None
        last = tail = np.zeros(0, np.float32)
        for number, frame in enumerate(frames):
            before, chosen = chosen, _choose(frame)
            if chosen is not None:
                self._warn(_CANCEL.format(chosen))
            mixed = _take(frame, chosen)
            if number and before != chosen:
                # where channels cancel, none of the mean may remain
                if before is None:
                    tail = _fade(tail, _take(last, chosen))
                else:
                    mixed[:fade] = _fade(_take(frame[:fade], before), mixed[:fade])
            if len(tail):
                yield tail
            last, tail = frame[-fade:], mixed[-fade:]
            if len(mixed) > fade:
                yield mixed[:-fade]
        if len(tail):
            yield tail


def _frame_size(rate: int) -> int:
    return round(_FRAME_SECONDS * rate)


def _frames(
    blocks: Iterable[np.ndarray], size: int, position: int
) -> Iterator[np.ndarray]:
    """Cut blocks (N, C) at the multiples of a size, counted from a stream's start."""
    held: list[np.ndarray] = []
    missing = size - position % size
    for block in blocks:
        while len(block) >= missing:
            yield np.concatenate([*held, block[:missing]])
            held, block, missing = [], block[missing:], size
        if len(block):
            held.append(block)
            missing -= len(block)
    if held:
        yield np.concatenate(held)


def _choose(frame: np.ndarray) -> int | None:
    """Return which channel of (N, C) to take, None for the mean."""
    parts = np.array_split(frame, _PARTS)
    powers = np.array([np.square(part, dtype=np.float64).sum(axis=0) for part in parts])
    sums = [part.sum(axis=1, dtype=np.float64) for part in parts]
    mixed = np.array([np.square(each).sum() for each in sums])
    in_parts = powers.sum(axis=1)
    is_audible = in_parts > _AUDIBLE * in_parts.sum()
    # a part is enough: the loudest channel holds the others too
    if not (is_audible & (mixed < _MIN_SHARE * in_parts)).any():
        return None
    of_channels = powers.sum(axis=0)
    return int(np.argmax(of_channels >= _ABOUT_AS_LOUD * of_channels.max()))


def _take(frame: np.ndarray, channel: int | None) -> np.ndarray:
    if channel is None:
        return frame.mean(axis=1)
    return frame[:, channel].copy()


def _fade(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Go from some samples to others, (N,) float32."""
    share = np.linspace(0, 1, len(before), dtype=np.float32)
    return before + share * (after - before)
