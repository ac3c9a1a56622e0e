"""``lact-asr push``: publish a trained model on the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer


def push(
    folder: Annotated[
        Path, typer.Argument(help="Output folder of a training run, or an export.")
    ],
    repository: Annotated[
        str, typer.Argument(help="Repository on the hub: organization/name.")
    ],
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public.")
    ] = False,
    transformers: Annotated[
        bool,
        typer.Option(
            "--transformers/--no-transformers",
            help="Whether to publish in the format of transformers, too.",
        ),
    ] = True,
) -> None:
    """Publish a model on the Hugging Face hub, with a card of its metrics."""
    from lact_modules.publishing.hub import push_model

    print(push_model(folder, repository, not public, transformers))
