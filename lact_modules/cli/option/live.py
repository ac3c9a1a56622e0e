"""What the commands that recognize streams have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lact_modules.cli.option import options

if TYPE_CHECKING:
    from lact_modules.inference.streaming import StreamingRecognizer


def load_recognizer(
    model: Path,
    chunk: float | None,
    left: float | None,
    silence: float | None,
    device: str,
    precision: str,
    ttt: dict[str, Any] | None = None,
    compiled: bool = False,
    exit_block: int | None = None,
    **decoding: Any,
) -> "StreamingRecognizer":
    """Load a streaming model.

    Arguments
    ---------
    model : Path
        Folder of a run or an export, or an id on the hub.
    chunk : float | None
        Chunk size in seconds.
    left : float | None
        Left context of attention in seconds.
    silence : float | None
        Seconds without a word that end an utterance.
    device : str
        Where to run, see `find_device`.
    precision : str
        Precision of matrix products, see `Caster`.
    ttt : dict[str, Any] | None
        How to learn from the stream, see `StreamingRecognizer`.
    compiled : bool
        Whether to compile the model's blocks.
    exit_block : int | None
        Block to exit at, see `load_model`.
    **decoding : Any
        Options of the search; what is None has its default.

    Returns
    -------
    StreamingRecognizer
        Before the first sample.

    Raises
    ------
    InputError
        If there is no model that streams, no such device, precision or search.
    """
    from lact_modules.decoding.stream.endpoint import Endpoint
    from lact_modules.inference.device import find_device
    from lact_modules.inference.streaming import StreamingRecognizer

    return StreamingRecognizer.from_export(
        model,
        exit_block,
        endpoint=Endpoint(**options.given(silence=silence)),
        device=find_device(device),
        precision=precision,
        ttt=ttt,
        compiled=compiled,
        **options.given(chunk_seconds=chunk, left_seconds=left, **decoding),
    )
