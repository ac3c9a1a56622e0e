"""Run an exported graph by onnxruntime: what stands in the place of a model."""

import logging
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from lact_modules.errors import InputError, on_one_line

logger = logging.getLogger(__name__)

_CUDA = "CUDAExecutionProvider"

# the latter may be left out
_GIVEN, _LENGTHS = "waveform", "lengths"


class OnnxModel:
    """A graph that scores whole utterances, called as `CTCModel` is; nothing else.

    Arguments
    ---------
    path : Path
        The graph.
    frame_rate : float
        Frames a second.

    Raises
    ------
    InputError
        If onnxruntime is not installed, or cannot read the file.
    """

    def __init__(self, path: Path, frame_rate: float):
        self.path = path
        self.frame_rate = frame_rate
        self._session = _open(path, "CPUExecutionProvider")
        inputs = (
            self._session.get_inputs(),
            self._session.get_overridable_initializers(),
        )
        outputs = self._session.get_outputs()
        if [[each.name for each in some] for some in inputs] != [[_GIVEN], [_LENGTHS]]:
            raise InputError(f"{path}: no recognizer of lact-asr; export the run again")
        self.num_tokens: int = outputs[0].shape[-1]

    def to(self, device: torch.device | str) -> "OnnxModel":
        """Move to a device, if onnxruntime can; outputs are on the CPU in any case."""
        if torch.device(device).type != "cpu":
            self._session = _open(self.path, _CUDA, "CPUExecutionProvider")
        return self

    def parameters(self) -> list[Tensor]:
        """Give none: a graph does not learn."""
        return []

    def __call__(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Score every token at every frame.

        Arguments
        ---------
        waveform : Tensor
            (B, N) float32 at 16 kHz; what stands beyond the lengths has no influence.
        lengths : Tensor
            (B,) valid samples, int64.

        Returns
        -------
        log_probs : Tensor
            (B, T, V) float32.
        lengths : Tensor
            (B,) valid frames, int64.
        """
        given = {_GIVEN: waveform, _LENGTHS: lengths}
        arrays = {name: tensor.cpu().numpy() for name, tensor in given.items()}
        log_probs, num_frames = map(torch.from_numpy, self._session.run(None, arrays))
        return log_probs, num_frames

    def __getattr__(self, name: str) -> NoReturn:
        """Say so where parts of a model are asked for, which a graph does not have."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise InputError(
            f"{self.path}: an ONNX graph transcribes whole utterances, in float32, and "
            f"has no {name!r}; take the training run or an export of --format lact"
        )


def _open(path: Path, *providers: str) -> Any:
    """Open a file; providers that are not installed are left out."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path}: onnxruntime is not installed; pip install 'lact-asr[onnx]'"
        ) from error
    there = onnxruntime.get_available_providers()
    if providers[0] not in there:
        logger.warning("onnxruntime has no CUDA here; %s runs on the CPU", path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # errors are raised; warnings are of its own workings
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=[each for each in providers if each in there]
        )
    except Exception as error:
        # its exceptions have no class of their own in common
        reason = on_one_line(str(error).split("\n")[0])
        raise InputError(f"{path}: onnxruntime cannot read it ({reason})") from error
