"""``lact-asr export``: a training run to a folder that can be passed on."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Output folder of a training run.")],
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
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
    from lact_modules.inference.export import export_model

    trained = export_model(run, folder, avg_checkpoints, force)
    parameters = sum(p.numel() for p in trained.model.parameters())
    print(
        f"{folder}: {parameters / 1e6:.1f} M parameters, "
        f"{len(trained.vocabulary)} tokens, {trained.model.frame_rate:g} frames/s"
    )
