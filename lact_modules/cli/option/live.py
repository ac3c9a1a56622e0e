"""What the commands that recognize streams have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lact_modules.cli.option import groups, options

if TYPE_CHECKING:
    from lact_modules.inference.streaming import StreamingRecognizer


def load_recognizer(
    model: Path,
    streaming: groups.Streaming,
    exit_block: int | None,
    search: groups.StreamSearch,
    compute: groups.Compute,
    ttt: dict[str, Any] | None = None,
) -> "StreamingRecognizer":
    """Load a streaming model.

    Arguments
    ---------
    model : Path
        Folder of a run or an export, or an id on the hub.
    streaming : groups.Streaming
        How the stream is divided.
    exit_block : int | None
        Block to exit at, see `load_model`.
    search : groups.StreamSearch
        What is None has its default.
    compute : groups.Compute
        Device, precision and compilation, see `find_device` and `Caster`.
    ttt : dict[str, Any] | None
        How to learn from the stream, see `StreamingRecognizer`.

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
        endpoint=Endpoint(**options.given(silence=streaming.silence)),
        device=find_device(compute.device),
        precision=compute.precision,
        ttt=ttt,
        compiled=compute.compiled,
        **options.given(chunk_seconds=streaming.chunk, left_seconds=streaming.left),
        **search.given(),
    )
