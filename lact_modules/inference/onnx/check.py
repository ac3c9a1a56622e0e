"""Check a graph's output against the model's, at several lengths and batch sizes."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.model_store.onnx.model import OnnxModel
from lact_modules.model_store.onnx.stream_model import OnnxStreamingModel, StreamLayout

TOLERANCE = 1e-4
"""Of log-probabilities, absolute or relative."""

# samples of batches: nothing, a frame or less, some windows of attention
_BATCHES = ((0, 1), (640, 500), (16000,), (60000, 41234, 20481), (320001,))


def check_graph(model: CTCModel, path: Path) -> float:
    """Return a graph's largest difference from its model's log-probabilities.

    The input is noise; a difference above `TOLERANCE` is an InputError.
    """
    graph, worst = OnnxModel(path, model.frame_rate), 0.0
    generator = torch.Generator().manual_seed(0)
    for sizes in _BATCHES:
        waveform, lengths = _make_noise(sizes, generator)
        with torch.inference_mode():
            log_probs, num_frames = model(waveform, lengths)
        found, found_frames = graph(waveform, lengths)
        if not torch.equal(found_frames, num_frames):
            raise InputError(
                f"ONNX: {found_frames.tolist()} frames of {list(sizes)} samples, where "
                f"PyTorch has {num_frames.tolist()}"
            )
        for row, count in enumerate(num_frames.tolist()):
            difference = _compare(
                found[row, :count], log_probs[row, :count], sizes[row]
            )
            worst = max(worst, difference)
    return worst


def check_stream_graph(streaming: StreamingModel, path: Path) -> float:
    """Check the graph of a streaming step, as `check_graph` does."""
    graph, worst = OnnxStreamingModel(path, streaming.model.frame_rate), 0.0
    generator = torch.Generator().manual_seed(0)
    for size in _streams(graph.layout):
        waveform, _ = _make_noise((size,), generator)
        expected, found = (run_stream(each, waveform) for each in (streaming, graph))
        if found.shape != expected.shape:
            raise InputError(
                f"ONNX: {found.shape[1]} frames of a stream of {size} samples, where "
                f"PyTorch has {expected.shape[1]}"
            )
        worst = max(worst, _compare(found, expected, size))
    return worst


@torch.inference_mode()
def run_stream(model: StreamingModel | OnnxStreamingModel, waveform: Tensor) -> Tensor:
    """Score a stream from its beginning to its end: (1, N) samples to (1, T, V)."""
    state: Any = model.start(batch_size=1)
    log_probs, state = model.accept(waveform, state)
    return torch.cat([log_probs, model.finish(state)], dim=1)


def _streams(layout: StreamLayout) -> tuple[int, ...]:
    """Return streams: within a chunk, some chunks, more than the left context."""
    chunk, whole = layout.chunk, layout.chunk + layout.look_ahead
    left = round(layout.left_seconds * SAMPLE_RATE)
    return 1, 1000, chunk, whole, whole + 1, left + 5 * chunk // 2


def _compare(found: Tensor, expected: Tensor, num_samples: int) -> float:
    """Return the largest difference of (..., V), or refuse it."""
    difference = (found - expected).abs()
    if not (difference <= TOLERANCE * expected.abs().clamp(min=1)).all():
        raise InputError(
            f"ONNX: log-probabilities of {num_samples} samples differ from PyTorch's "
            f"by {difference.max():.1e}; at most {TOLERANCE:g} is allowed"
        )
    return max(difference.flatten().tolist(), default=0.0)


def _make_noise(
    sizes: tuple[int, ...], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make noise that comes and goes, (B, N), and beyond its lengths is loud."""
    shape = len(sizes), max(sizes)
    steps = torch.rand(shape[0], shape[1] // 4000 + 1, generator=generator) ** 3
    loudness = 0.1 * steps.repeat_interleave(4000, dim=1)[:, : shape[1]]
    return loudness * torch.randn(shape, generator=generator), torch.tensor(sizes)
