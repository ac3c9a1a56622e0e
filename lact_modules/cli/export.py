"""``lact-asr export``: a trained model to a folder that can be passed on."""

import importlib
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Format(str, Enum):
    """Who is to read the folder."""

    LACT = "lact"
    TRANSFORMERS = "transformers"


WRITERS = {
    Format.LACT: "lact_modules.inference.export:export_model",
    Format.TRANSFORMERS: "lact_modules.hf.export:export_for_transformers",
}
"""``(run, folder, num_checkpoints, force) -> TrainedModel``, imported when needed."""


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
    force: Annotated[
        bool, typer.Option("--force", help="Write beside other files in the folder.")
    ] = False,
) -> None:
    """Export a trained model: safetensors and JSON, nothing that can run."""
    module, _, name = WRITERS[format].partition(":")
    write = getattr(importlib.import_module(module), name)
    trained = write(run, folder, avg_checkpoints, force)
    parameters = sum(p.numel() for p in trained.model.parameters())
    print(
        f"{folder}: {parameters / 1e6:.1f} M parameters, "
        f"{len(trained.vocabulary)} tokens, {trained.model.frame_rate:g} frames/s"
    )
