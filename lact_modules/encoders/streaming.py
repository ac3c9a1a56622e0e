"""An encoder that is fed piece by piece."""

from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.encoders.encoder import Encoder
from lact_modules.encoders.stages import StackState
from lact_modules.layers.chunking import Chunking


class EncoderState(NamedTuple):
    """The carried state of an encoder, of constant size.

    Arguments
    ---------
    pending : Tensor
        (B, T, D) frames of a chunk that is not complete yet.
    blocks : StackState | None
        Of the blocks; None before the first chunk.
    """

    pending: Tensor
    blocks: StackState | None


class StreamingEncoder:
    """Encode frames as they arrive; the state is an argument and a result.

    Arguments
    ---------
    encoder : Encoder
        In evaluation mode.
    chunking : Chunking
        How many frames are encoded together, and the left context of attention.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> encoder = Encoder(
    ...     8, 2, mixer=partial(LaCTMixer, 8, 2, 2), ffn_out=partial(FeedForward, 8, 16)
    ... ).eval()
    >>> streaming = StreamingEncoder(encoder, Chunking(size=4, left=8))
    >>> state = streaming.start(batch_size=1)
    >>> output, state = streaming.accept(torch.randn(1, 6, 8), state)
    >>> output.shape, state.pending.shape
    (torch.Size([1, 4, 8]), torch.Size([1, 2, 8]))
    >>> streaming.finish(state).shape
    torch.Size([1, 2, 8])
    """

    def __init__(self, encoder: Encoder, chunking: Chunking):
        self.encoder, self.chunking = encoder, chunking

    def start(self, batch_size: int) -> EncoderState:
        """Return the state before the first frame."""
        weight = self.encoder.norm.weight
        return EncoderState(weight.new_zeros(batch_size, 0, len(weight)), None)

    def accept(self, x: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
        """Encode the chunks that frames (B, T, D) complete.

        Arguments
        ---------
        x : Tensor
            (B, T, D), T of any size.
        state : EncoderState
            After the frames before.

        Returns
        -------
        output : Tensor
            (B, T', D), a multiple of the chunk size, perhaps 0.
        state : EncoderState
            After these frames.
        """
        x = torch.cat([state.pending, x], dim=1)
        whole = x.shape[1] // self.chunking.size * self.chunking.size
        output, blocks = self._encode(x[:, :whole], state.blocks)
        return output, EncoderState(x[:, whole:], blocks)

    def finish(self, state: EncoderState) -> Tensor:
        """Encode the frames that are left, (B, T, D), at the end of the stream."""
        return self._encode(state.pending, state.blocks)[0]

    def _encode(
        self, x: Tensor, blocks: StackState | None
    ) -> tuple[Tensor, StackState | None]:
        if not x.shape[1]:
            return x, blocks
        lengths = torch.full(x.shape[:1], x.shape[1], device=x.device)
        return self.encoder.chunked(x, lengths, self.chunking, blocks)
