"""Run an exported graph by onnxruntime in the place of a model."""

from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from lact_modules.errors import InputError
from lact_modules.model_store.export import STREAM_FILE
from lact_modules.model_store.onnx.session import open_session
from lact_modules.model_store.onnx.stream_model import OnnxStreamingModel

_CUDA = "CUDAExecutionProvider"

# the latter may be omitted
_WAVEFORM, _LENGTHS = "waveform", "lengths"


class OnnxModel:
    """A graph that scores whole utterances, called as `CTCModel` is."""

    def __init__(self, path: Path, frame_rate: float):
        self.path = path
        self.frame_rate = frame_rate
        self._session = open_session(path, "CPUExecutionProvider")
        inputs = (
            self._session.get_inputs(),
            self._session.get_overridable_initializers(),
        )
        outputs = self._session.get_outputs()
        if [[each.name for each in some] for some in inputs] != [
            [_WAVEFORM],
            [_LENGTHS],
        ]:
            raise InputError(
                f"{path}: not a recognizer of lact-asr; export the run again"
            )
        self.num_tokens: int = outputs[0].shape[-1]

    def to(self, device: torch.device | str) -> "OnnxModel":
        """Move to a device, if onnxruntime can; outputs are on the CPU in any case."""
        if torch.device(device).type != "cpu":
            self._session = open_session(self.path, _CUDA, "CPUExecutionProvider")
        return self

    def open_stream(
        self, chunk_seconds: float | None = None, left_seconds: float | None = None
    ) -> OnnxStreamingModel:
        """Open the graph of a streaming step that was exported with this one.

        Durations are in seconds. None is what it was exported for; others are refused.
        """
        path = self.path.with_name(STREAM_FILE)
        if not path.is_file():
            raise InputError(f"{path}: no such file; export the run with --streaming")
        streaming = OnnxStreamingModel(path, self.frame_rate)
        if streaming.num_tokens != self.num_tokens:
            raise InputError(
                f"{path}: {streaming.num_tokens} outputs, but {self.path.name} has "
                f"{self.num_tokens}; use the file of the same export"
            )
        layout = streaming.layout
        for option, requested, exported in (
            ("--chunk", chunk_seconds, layout.chunk_seconds),
            ("--left", left_seconds, layout.left_seconds),
        ):
            if (
                requested is not None
                and abs(requested - exported) * self.frame_rate > 0.5
            ):
                raise InputError(
                    f"{path}: exported with {option} {exported:g}, not "
                    f"{requested:g}; omit {option}, or export the run again"
                )
        return streaming

    def parameters(self) -> list[Tensor]:
        """Return none: a graph does not learn."""
        return []

    def __call__(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probabilities (B, T, V) and lengths (B,) in frames, int64."""
        inputs = {_WAVEFORM: waveform, _LENGTHS: lengths}
        arrays = {name: tensor.cpu().numpy() for name, tensor in inputs.items()}
        log_probs, num_frames = map(torch.from_numpy, self._session.run(None, arrays))
        return log_probs, num_frames

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse access to parts of a model that a graph does not have."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise InputError(
            f"{self.path}: an ONNX graph scores audio in float32 and has no {name!r}; "
            "use the training run or an export of --format lact"
        )
