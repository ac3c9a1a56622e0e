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
    """Load a streaming model, before the first sample."""
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
