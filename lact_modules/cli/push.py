"""``lact-asr push``: a trained model to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

import typer


def push(
    folder: Annotated[
        Path, typer.Argument(help="Output folder of a training run, or an export.")
    ],
    repository: Annotated[str, typer.Argument(help="organization/name on the hub.")],
    public: Annotated[
        bool, typer.Option("--public", help="Let all see a repository that is made.")
    ] = False,
    transformers: Annotated[
        bool,
        typer.Option(
            "--transformers/--no-transformers",
            help="Whether Hugging Face's transformers is to load it too.",
        ),
    ] = True,
) -> None:
    """Publish a model on the Hugging Face hub, with a card of its metrics."""
    from lact_modules.publishing.hub import push_model

    print(push_model(folder, repository, not public, transformers))
