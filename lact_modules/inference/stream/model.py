"""A whole model that is fed piece by piece: front end, encoder, output layer."""

from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.encoders import CTCModel
from lact_modules.encoders.streaming import EncoderState, StreamingEncoder
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.frontends.streaming import FrontendState, StreamingFrontend
from lact_modules.inference.stream.chunks import (
    CHUNK_SECONDS,
    LEFT_SECONDS,
    chunk_encoder,
)
from lact_modules.layers.chunking import Chunking
from lact_modules.model_store.onnx.model import OnnxModel
from lact_modules.model_store.onnx.stream_model import OnnxStreamingModel


class ModelState(NamedTuple):
    """The carried state of a model, of constant size."""

    frontend: FrontendState
    encoder: EncoderState

    @property
    def num_samples(self) -> int:
        """How many samples have arrived."""
        return self.frontend.num_samples


class StreamingModel:
    """Score samples as they arrive; the state is an argument and a result.

    The scores do not depend on how the samples are cut into pieces.

    Arguments
    ---------
    model : CTCModel
        In evaluation mode, with running normalization.
    encoder : StreamingEncoder
        Of the model, see `chunk_encoder`.

    Raises
    ------
    InputError
        If the front end does not stream, or needs the whole utterance.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.encoders import Encoder
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> frontend = MelFrontend(8, normalization="running")
    >>> model = CTCModel(frontend, Encoder(8, 2, mixer, ffn), num_tokens=5).eval()
    >>> streaming = StreamingModel(model, chunk_encoder(model, chunk_seconds=0.32))
    >>> state = streaming.start(batch_size=2)
    >>> log_probs, state = streaming.accept(torch.randn(2, 16000), state)
    >>> log_probs.shape, streaming.finish(state).shape
    (torch.Size([2, 24, 5]), torch.Size([2, 1, 5]))
    """

    def __init__(self, model: CTCModel, encoder: StreamingEncoder):
        frontend = model.frontend
        if not isinstance(frontend, MelFrontend):
            raise InputError(f"stream: a {type(frontend).__name__} does not stream")
        try:
            self.frontend = StreamingFrontend(frontend)
        except ValueError as error:
            raise InputError(f"stream: {error}") from error
        self.model, self.encoder = model, encoder

    @property
    def chunking(self) -> Chunking:
        """What is scored together, and what attention sees before it."""
        return self.encoder.chunking

    @property
    def device(self) -> torch.device:
        """Where samples are expected."""
        return self.model.output.weight.device

    def start(self, batch_size: int) -> ModelState:
        """Return the state before the first sample."""
        return ModelState(
            self.frontend.start(batch_size), self.encoder.start(batch_size)
        )

    def accept(self, waveform: Tensor, state: ModelState) -> tuple[Tensor, ModelState]:
        """Return log-probabilities (B, T, V) of chunks that samples (B, N) complete."""
        frames, frontend = self.frontend.accept(waveform, state.frontend)
        hidden, encoder = self.encoder.accept(frames, state.encoder)
        return self.model.score_frames(hidden), ModelState(frontend, encoder)

    def finish(self, state: ModelState) -> Tensor:
        """Score the remaining frames, (B, T, V), at the end of the streams."""
        frames = self.frontend.finish(state.frontend)
        hidden, encoder = self.encoder.accept(frames, state.encoder)
        rest = self.encoder.finish(encoder)
        return self.model.score_frames(torch.cat([hidden, rest], dim=1))


def open_stream(
    model: CTCModel | OnnxModel,
    chunk_seconds: float | None = None,
    left_seconds: float | None = None,
) -> StreamingModel | OnnxStreamingModel:
    """Make a model stream, one of PyTorch or an exported graph.

    By default chunks are 0.64 s long, with 5.12 s of left context, or what a graph was
    exported for.
    """
    if isinstance(model, OnnxModel):
        return model.open_stream(chunk_seconds, left_seconds)
    chunk = CHUNK_SECONDS if chunk_seconds is None else chunk_seconds
    left = LEFT_SECONDS if left_seconds is None else left_seconds
    return StreamingModel(model, chunk_encoder(model, chunk, left))
