"""Save a stream to a file, to continue it later."""

import hashlib
from pathlib import Path
from typing import Any

import torch

from lact_modules.errors import InputError
from lact_modules.inference.stream.state import fits
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.whole_file import whole_file


def save_stream(recognizer: StreamingRecognizer, path: str | Path) -> None:
    """Write a recognizer's carried state; a reader never sees half of it.

    Arguments
    ---------
    recognizer : StreamingRecognizer
        In the middle of a stream.
    path : str | Path
        File to write or replace.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    saved = {"made_by": _describe(recognizer), "state": recognizer.state_dict()}
    try:
        with whole_file(path) as unfinished:
            torch.save(saved, unfinished)
    # PyTorch's writer hides the system's reason
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{path}: cannot be written ({reason}); is the disk full?"
        ) from error


def load_stream(recognizer: StreamingRecognizer, path: str | Path) -> None:
    """Continue where another recognizer stopped; no code in the file is run.

    Arguments
    ---------
    recognizer : StreamingRecognizer
        Of the same model, with the same chunks and the same kind of decoder.
    path : str | Path
        What :func:`save_stream` wrote.

    Raises
    ------
    InputError
        If there is no such file, or it is no stream of such a recognizer.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give one that --save-state has written"
        )
    try:
        saved = torch.load(path, map_location=recognizer.device, weights_only=True)
        made_by, state = saved["made_by"], saved["state"]
        is_ours = fits(made_by, list[str | int])
    # unpickling fails in as many ways as there are files
    except Exception as error:
        raise InputError(f"{path}: not a saved stream, or damaged") from error
    if not is_ours or made_by != _describe(recognizer):
        raise InputError(
            f"{path}: of another model, or with other --chunk, --left or --exit-block"
        )
    try:
        recognizer.load_state_dict(state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _describe(recognizer: StreamingRecognizer) -> list[Any]:
    """Identify what a state depends on: weights and chunks."""
    digest = hashlib.sha256()
    for name, tensor in recognizer.model.state_dict().items():
        digest.update(name.encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data)
    chunking = recognizer.chunking
    return [digest.hexdigest(), chunking.size, chunking.left]
