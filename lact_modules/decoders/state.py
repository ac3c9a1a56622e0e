"""The carried state of a text decoder between tokens."""

from dataclasses import dataclass, replace

from torch import Tensor

MixerState = tuple[Tensor, ...]
"""The carried state of a mixer, the batch first in every tensor."""

BlockState = tuple[MixerState, MixerState]
"""Of a block's mixers: over the tokens so far, and over the memory."""


@dataclass(frozen=True)
class DecoderState:
    """Hypotheses as `TextDecoder.step` needs them.

    Arguments
    ---------
    num_tokens : int
        Tokens read so far, as many in every hypothesis.
    blocks : tuple[BlockState, ...]
        One a block.

    Example
    -------
    >>> import torch
    >>> state = DecoderState(0, blocks=(((torch.arange(3),), ()),))
    >>> state.select(torch.tensor([2, 0, 0])).blocks
    (((tensor([2, 0, 0]),), ()),)
    """

    num_tokens: int
    blocks: tuple[BlockState, ...]

    def select(self, indices: Tensor) -> "DecoderState":
        """Reorder, drop and repeat hypotheses.

        Arguments
        ---------
        indices : Tensor
            (B',) int64, rows to keep.

        Returns
        -------
        DecoderState
            Of B' hypotheses; this one stays as it is.
        """

        def pick(mixer: MixerState) -> MixerState:
            return tuple(x.index_select(0, indices) for x in mixer)

        return replace(
            self, blocks=tuple((pick(own), pick(cross)) for own, cross in self.blocks)
        )
