"""``lact-asr export``: a trained model to a folder that can be passed on."""

import importlib
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.option.options import StreamChunk, StreamLeft, given
from lact_modules.errors import InputError


class Format(str, Enum):
    """Who is to read the folder."""

    LACT = "lact"
    TRANSFORMERS = "transformers"
    ONNX = "onnx"


WRITERS = {
    Format.LACT: "lact_modules.model_store.export:export_model",
    Format.TRANSFORMERS: "lact_modules.hf.export:export_for_transformers",
    Format.ONNX: "lact_modules.inference.onnx.export:export_to_onnx",
}
"""``(run, folder, num_checkpoints, force, **options) -> TrainedModel``.

Imported when needed.
"""


def export(
    run: Annotated[
        Path, typer.Argument(help="Output folder of a training run, or an export.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    format: Annotated[
        Format, typer.Option(help="Who is to read the folder.")
    ] = Format.LACT,
    avg_checkpoints: Annotated[
        int | None,
        typer.Option(
            *("--avg-checkpoints", "--num-checkpoints"),
            min=1,
            help="Best checkpoints to average; else what did better in training.",
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="Of --format onnx: int8 for weights of 8 bits, smaller and faster.",
            metavar="int8",
        ),
    ] = None,
    streaming: Annotated[
        bool,
        typer.Option(
            "--streaming", help="Of --format onnx: a step of a stream too, stream.onnx."
        ),
    ] = False,
    chunk: StreamChunk = None,
    left: StreamLeft = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write beside other files in the folder.")
    ] = False,
) -> None:
    """Export a trained model: its weights or a graph of it, and what describes it."""
    module, _, name = WRITERS[format].partition(":")
    write = getattr(importlib.import_module(module), name)
    options = given(
        quantize=quantize,
        streaming=streaming or None,
        chunk_seconds=chunk,
        left_seconds=left,
    )
    if options and format is not Format.ONNX:
        raise InputError(
            "--quantize, --streaming, --chunk, --left: need --format onnx; leave them"
        )
    if not streaming and (chunk is not None or left is not None):
        raise InputError("--chunk and --left: need --streaming; leave them")
    if format is Format.ONNX:
        typer.echo(f"{folder}: making the graph, which takes a minute or two", err=True)
    trained = write(run, folder, avg_checkpoints, force, **options)
    parameters = sum(p.numel() for p in trained.model.parameters())
    print(
        f"{folder}: {parameters / 1e6:.1f} M parameters, "
        f"{len(trained.vocabulary)} tokens, {trained.model.frame_rate:g} frames/s"
    )
