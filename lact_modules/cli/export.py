"""``lact-asr export``: write a trained model to a folder to share."""

import importlib
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.option.options import StreamChunk, StreamLeft, given
from lact_modules.errors import InputError


class Format(str, Enum):
    """Which software reads the folder."""

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
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    format: Annotated[
        Format, typer.Option(help="Format, by the software that reads it.")
    ] = Format.LACT,
    avg_checkpoints: Annotated[
        int | None,
        typer.Option(
            *("--avg-checkpoints", "--num-checkpoints"),
            min=1,
            help="Number of best checkpoints to average; 1: the best alone. Default: "
            "what did better on dev when training ended.",
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="For --format onnx: int8 makes weights of 8 bits, smaller and faster.",
            metavar="int8",
        ),
    ] = None,
    streaming: Annotated[
        bool,
        typer.Option(
            "--streaming",
            help="For --format onnx: also export a step of a stream, stream.onnx.",
        ),
    ] = False,
    chunk: StreamChunk = None,
    left: StreamLeft = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write into a folder that holds other files."),
    ] = False,
) -> None:
    """Export a trained model: weights or an ONNX graph, with its configuration."""
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
            "--quantize, --streaming, --chunk, --left: need --format onnx; omit them"
        )
    if not streaming and (chunk is not None or left is not None):
        raise InputError("--chunk and --left: need --streaming; omit them")
    if format is Format.ONNX:
        typer.echo(f"{folder}: making the graph, which takes a minute or two", err=True)
    trained = write(run, folder, avg_checkpoints, force, **options)
    parameters = sum(p.numel() for p in trained.model.parameters())
    print(
        f"{folder}: {parameters / 1e6:.1f} M parameters, "
        f"{len(trained.vocabulary)} tokens, {trained.model.frame_rate:g} frames/s"
    )
