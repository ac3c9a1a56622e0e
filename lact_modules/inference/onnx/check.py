"""See that a graph says what the model says, at several lengths and batch sizes."""

from pathlib import Path

import torch
from torch import Tensor

from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.inference.onnx.model import OnnxModel

TOLERANCE = 1e-4
"""Of log-probabilities, absolute or relative."""

# samples of batches: nothing, a frame or less, some windows of attention
_BATCHES = ((0, 1), (640, 500), (16000,), (60000, 41234, 20481), (320001,))


def check_graph(model: CTCModel, path: Path) -> float:
    """Compare a graph with the model that it was made of, by noise.

    Arguments
    ---------
    model : CTCModel
        In evaluation mode, on the CPU.
    path : Path
        The graph's file.

    Returns
    -------
    float
        The largest difference of log-probabilities.

    Raises
    ------
    InputError
        If one is beyond `TOLERANCE`.
    """
    graph, worst = OnnxModel(path, model.frame_rate), 0.0
    generator = torch.Generator().manual_seed(0)
    for sizes in _BATCHES:
        waveform, lengths = _make_noise(sizes, generator)
        with torch.inference_mode():
            log_probs, num_frames = model(waveform, lengths)
        said, said_frames = graph(waveform, lengths)
        if not torch.equal(said_frames, num_frames):
            raise InputError(
                f"ONNX: {said_frames.tolist()} frames of {list(sizes)} samples, where "
                f"PyTorch has {num_frames.tolist()}"
            )
        for row, count in enumerate(num_frames.tolist()):
            expected = log_probs[row, :count]
            difference = (said[row, :count] - expected).abs()
            if not (difference <= TOLERANCE * expected.abs().clamp(min=1)).all():
                raise InputError(
                    f"ONNX: log-probabilities of {sizes[row]} samples differ from "
                    f"PyTorch's by {difference.max():.1e}; want {TOLERANCE:g} at most"
                )
            worst = max([worst, *difference.amax(-1).tolist()])
    return worst


def _make_noise(
    sizes: tuple[int, ...], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Make noise that comes and goes, (B, N), and beyond its lengths is loud."""
    shape = len(sizes), max(sizes)
    steps = torch.rand(shape[0], shape[1] // 4000 + 1, generator=generator) ** 3
    loudness = 0.1 * steps.repeat_interleave(4000, dim=1)[:, : shape[1]]
    return loudness * torch.randn(shape, generator=generator), torch.tensor(sizes)
