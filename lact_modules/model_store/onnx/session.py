"""Graphs opened by onnxruntime, which is imported here alone."""

import logging
from pathlib import Path
from typing import Any

import torch

from lact_modules.errors import InputError, on_one_line

logger = logging.getLogger(__name__)


def open_session(path: Path, *providers: str) -> Any:
    """Open a graph, with as many threads as PyTorch; skip providers not installed."""
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
