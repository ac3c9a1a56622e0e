"""Run an exported step of a stream by onnxruntime, chunk by chunk."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from lact_modules.errors import InputError
from lact_modules.layers.chunking import Chunking
from lact_modules.model_store.onnx.session import open_session

WAVEFORM, LENGTHS = "waveform", "lengths"
SCORES = ("log_probs", "num_frames")

NEXT = "next_"
"""Before the name of an input, the output that is given to it in the next step."""


@dataclass(frozen=True)
class StreamLayout:
    """Samples that a streaming step takes: a chunk, and some before and after it.

    Samples before the beginning are zeros; ``left_seconds`` are attention's left
    context.
    """

    chunk: int
    look_back: int
    look_ahead: int
    chunk_seconds: float
    left_seconds: float

    @property
    def window(self) -> int:
        """Samples that a step is given."""
        return self.look_back + self.chunk + self.look_ahead

    def to_properties(self) -> dict[str, str]:
        """Return what a graph keeps."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_properties(cls, properties: dict[str, str]) -> "StreamLayout":
        """Read what a graph keeps."""
        kinds = cls.__annotations__
        return cls(**{name: kinds[name](properties[name]) for name in kinds})


class OnnxStreamState(NamedTuple):
    """Carried state of a stream, of constant size.

    ``samples`` (1, N) have come already and are needed by the next step; ``arrays`` are
    its other inputs by name, none before the first step.
    """

    num_samples: int
    samples: Tensor
    arrays: dict[str, Any]


class OnnxStreamingModel:
    """Score samples as they arrive, like `StreamingModel`, by a graph of one step."""

    def __init__(self, path: Path, frame_rate: float):
        self.path, self.device = path, torch.device("cpu")
        self._session = open_session(path, "CPUExecutionProvider")
        properties = self._session.get_modelmeta().custom_metadata_map
        try:
            self.layout = StreamLayout.from_properties(properties)
        except (KeyError, ValueError) as error:
            raise InputError(
                f"{path}: no step of a stream; export the run again"
            ) from error
        self.chunking = Chunking(
            round(self.layout.chunk_seconds * frame_rate),
            round(self.layout.left_seconds * frame_rate),
        )
        outputs = self._session.get_outputs()
        self._outputs = [output.name for output in outputs]
        self.num_tokens: int = outputs[0].shape[-1]

    def start(self, batch_size: int) -> OnnxStreamState:
        """Return the state before the first sample, of one stream."""
        if batch_size != 1:
            raise ValueError(f"batch_size={batch_size}: a graph runs one stream")
        return OnnxStreamState(0, torch.zeros(1, self.layout.look_back), {})

    def accept(
        self, waveform: Tensor, state: OnnxStreamState
    ) -> tuple[Tensor, OnnxStreamState]:
        """Score the chunks that samples complete, as `StreamingModel.accept`."""
        num_samples, samples, arrays = state
        samples = torch.cat([samples, waveform.float().cpu()], dim=1)
        scores = []
        while samples.shape[1] >= self.layout.window:
            log_probs, arrays = self._step(samples, arrays)
            scores.append(log_probs)
            samples = samples[:, self.layout.chunk :]
        after = OnnxStreamState(num_samples + waveform.shape[1], samples, arrays)
        return self._join(scores), after

    def finish(self, state: OnnxStreamState) -> Tensor:
        """Score the last samples, (1, T, V), at the end of the stream."""
        _, samples, arrays = state
        scores = []
        while samples.shape[1] > self.layout.look_back:
            log_probs, arrays = self._step(samples, arrays)
            scores.append(log_probs)
            samples = samples[:, self.layout.chunk :]
        return self._join(scores)

    def _step(
        self, samples: Tensor, arrays: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Any]]:
        """Score a chunk, at whose end there may be fewer samples than a window has."""
        window = samples[:, : self.layout.window]
        missing = self.layout.window - window.shape[1]
        lengths = torch.tensor([window.shape[1] - self.layout.look_back])
        given = {WAVEFORM: pad(window, (0, missing)).numpy(), LENGTHS: lengths.numpy()}
        values = self._session.run(None, given | arrays)
        outputs = dict(zip(self._outputs, values, strict=True))
        log_probs, num_frames = (torch.from_numpy(outputs.pop(name)) for name in SCORES)
        arrays = {name.removeprefix(NEXT): each for name, each in outputs.items()}
        return log_probs[:, : int(num_frames)], arrays

    def _join(self, scores: list[Tensor]) -> Tensor:
        return torch.cat([torch.zeros(1, 0, self.num_tokens), *scores], dim=1)
