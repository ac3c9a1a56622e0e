"""Run a model in chunks, as it would run on a stream."""

from typing import Any

import torch
from torch import Tensor

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.encoders.streaming import EncoderState, StreamingEncoder
from lact_modules.errors import InputError
from lact_modules.layers.chunking import Chunking

CHUNK_SECONDS = 0.64
"""How much a stream encodes together, by default."""

LEFT_SECONDS = 5.12
"""What attention sees before a chunk, by default."""


@torch.inference_mode()
def chunk_encoder(
    model: CTCModel, chunk_seconds: float, left_seconds: float = LEFT_SECONDS
) -> StreamingEncoder:
    """Prepare a model's encoder to run in chunks, and see that it can.

    Durations are rounded to frames. ``chunk_seconds`` are encoded together, which is
    the latency; ``left_seconds`` are the left context of attention.
    """
    encoder, rate = model.encoder, model.frame_rate
    if not isinstance(encoder, Encoder):
        raise InputError(f"a {type(encoder).__name__} cannot run in chunks")
    try:
        chunking = Chunking(round(chunk_seconds * rate), round(left_seconds * rate))
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"chunks of {chunk_seconds} s, left context {left_seconds} s: {error}"
        ) from error
    streaming = StreamingEncoder(encoder, chunking)
    frame = encoder.norm.weight.new_zeros(1, 1, encoder.d_model)
    try:
        streaming.finish(EncoderState(frame, None))
    except (NotImplementedError, AttributeError) as error:
        raise InputError(f"the encoder cannot run in chunks ({error})") from error
    return streaming


class ChunkedModel:
    """A model that runs whole utterances in chunks; called like the model.

    Memory grows with the square of the longest utterance.
    """

    def __init__(self, model: CTCModel, encoder: StreamingEncoder):
        self.model, self.encoder = model, encoder

    def __call__(self, waveform: Tensor, lengths: Tensor) -> Any:
        """Return the model's outputs for samples (B, N) of (B,) lengths."""
        return self.model.outputs(*self.encode(waveform, lengths))

    def encode(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map samples (B, N) to encoded frames (B, T, D), and lengths."""
        frames, lengths = self.model.make_frames(waveform, lengths)
        hidden, _ = self.encoder.encoder.chunked(frames, lengths, self.encoder.chunking)
        return hidden, lengths
