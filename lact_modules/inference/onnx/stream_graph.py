"""One step of a stream as an ONNX graph: samples and state in, scores and state out.

Streams end and begin as they do in `StreamingModel`: before the first sample and behind
the last is silence, of which features are not part of the stream.
"""

from collections.abc import Iterator
from typing import Any

import onnx
import torch
from onnx import ModelProto, numpy_helper
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.frontends import MelFrontend
from lact_modules.frontends.normalization import RunningNormalization
from lact_modules.inference.onnx.graph import (
    check_exportable,
    export_module,
    with_products,
)
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.model_store.onnx.stream_model import (
    LENGTHS,
    NEXT,
    SCORES,
    WAVEFORM,
    StreamLayout,
)

_POSITION = "position"


def make_stream_graph(streaming: StreamingModel) -> ModelProto:
    """Express a step of a stream in ONNX, of one chunk.

    Inputs are the samples of a chunk, with some before and after it, and a state;
    outputs are ``log_probs`` (1, T, V), ``num_frames`` (1,) and the state to pass on,
    whose names begin with ``next_``. A state that is omitted is that of a new stream.
    """
    check_exportable(streaming.model)
    step = StreamStep(streaming)
    layout = step.layout
    start = [torch.tensor(0), *step.start()]
    names = [_POSITION, *(f"state_{i}" for i in range(len(start) - 1))]
    waveform = torch.zeros(1, layout.window)
    lengths = torch.tensor([layout.chunk + layout.look_ahead])
    graph = export_module(
        step,
        (waveform, lengths, *start),
        (*SCORES, *(f"{NEXT}{name}" for name in names)),
        (WAVEFORM, LENGTHS, *names),
    )
    defaults = zip((LENGTHS, *names), (lengths, *start), strict=True)
    graph.graph.initializer.extend(
        numpy_helper.from_array(value.numpy(), name) for name, value in defaults
    )
    onnx.helper.set_model_props(graph, layout.to_properties())
    onnx.checker.check_model(graph)
    return graph


class StreamStep(nn.Module):
    """What `StreamingModel` does of one chunk; the state has always the same shapes."""

    def __init__(self, streaming: StreamingModel):
        super().__init__()
        self.model: CTCModel = with_products(streaming.model)
        frontend, chunking = streaming.frontend, streaming.encoder.chunking
        self.chunking, self.stride = chunking, frontend.stride
        # features of a chunk, and others that its last frame sees
        self.num_own = chunking.size * self.stride
        self.num_ahead = frontend.reach + 1 - self.stride
        # whole frames of features that the first frame sees
        self.context = -(-frontend.reach // self.stride) * self.stride
        hop = frontend.frontend.hop
        self.layout = StreamLayout(
            chunk=self.num_own * hop,
            look_back=frontend.frontend.look_back,
            look_ahead=frontend.look_ahead,
            chunk_seconds=chunking.size / streaming.model.frame_rate,
            left_seconds=chunking.left / streaming.model.frame_rate,
        )
        self._leaves, self._form = tree_flatten(self._begin())

    def start(self) -> list[Tensor]:
        """Return the state of a new stream, without the position, which is 0."""
        # copies: one tensor in two places would be one input
        return [
            leaf.clone(memory_format=torch.contiguous_format)
            for leaf in self._leaves
            if isinstance(leaf, Tensor)
        ]

    @torch.no_grad()
    def _begin(self) -> tuple[Any, ...]:
        """Return the state after a time that is all padding.

        It is as long as the left context of attention, so that shapes stay the same.
        """
        _, encoder, normalize = self._parts
        num_chunks = max(1, -(-self.chunking.left // self.chunking.size))
        nothing = torch.zeros(1, num_chunks * self.chunking.size, encoder.d_model)
        _, blocks = encoder.chunked(nothing, torch.tensor([0]), self.chunking)
        features = torch.zeros(1, self.context, len(normalize.prior_mean))
        return features, normalize.start(1), blocks

    def forward(
        self, waveform: Tensor, lengths: Tensor, position: Tensor, *state: Tensor
    ) -> tuple[Tensor, ...]:
        """Run a chunk from a position on, in frames."""
        frontend, encoder, _ = self._parts
        context, normalized, blocks = self._restore(position, state)
        features, normalized, ahead = self._extract(waveform, lengths, normalized)
        count = (lengths + frontend.hop - 1) // frontend.hop
        x = torch.cat([context, features, ahead], dim=1)
        is_first = (position == 0).long()
        frames, ends = frontend.subsample(
            x, self.context + count, (self.context * is_first).expand(1)
        )
        done = self.context // self.stride
        num_frames = (ends - done).clamp(max=self.chunking.size)
        hidden, blocks = encoder.chunked(
            frames[:, done : done + self.chunking.size],
            num_frames,
            self.chunking,
            blocks,
        )
        context = x[:, self.num_own : self.num_own + self.context]
        leaves, _ = tree_flatten((context, normalized, blocks))
        after = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.dim()]
        # an input that is an output too would lose its name
        after = [
            new.clone() if new is old else new
            for new, old in zip(after, state, strict=True)
        ]
        scores = self.model.score_frames(hidden)
        return scores, num_frames, position + self.chunking.size, *after

    def _extract(
        self, waveform: Tensor, lengths: Tensor, normalized: Any
    ) -> tuple[Tensor, Any, Tensor]:
        """Return features of the chunk, the normalizer's state, and features behind.

        The latter are computed again with the next chunk.
        """
        frontend, _, normalize = self._parts
        sample = torch.arange(waveform.shape[1])
        is_over = sample >= lengths[:, None] + frontend.look_back
        features = frontend.log_mel(waveform.masked_fill(is_over, 0.0))
        own, normalized = normalize.resume(features[:, : self.num_own], normalized)
        ahead = features[:, self.num_own :]
        if self.num_ahead:
            ahead, _ = normalize.resume(ahead, normalized)
        return own, normalized, ahead

    def _restore(self, position: Tensor, state: tuple[Tensor, ...]) -> Any:
        """Bring tensors into their places; numbers of frames are the position."""
        coming: Iterator[Tensor] = iter(state)
        leaves = [
            next(coming)
            if isinstance(leaf, Tensor)
            else position
            if isinstance(leaf, int)
            else leaf
            for leaf in self._leaves
        ]
        return tree_unflatten(leaves, self._form)

    @property
    def _parts(self) -> tuple[MelFrontend, Encoder, RunningNormalization]:
        frontend, encoder = self.model.frontend, self.model.encoder
        assert isinstance(frontend, MelFrontend) and isinstance(encoder, Encoder)
        assert isinstance(frontend.normalize, RunningNormalization)
        return frontend, encoder, frontend.normalize
