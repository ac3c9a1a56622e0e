"""``lact-asr synth``: synthesize a small corpus."""

from pathlib import Path
from typing import Annotated

import typer


def synth(
    out: Annotated[
        Path, typer.Argument(help="Output folder; gets a folder LibriSpeech.")
    ],
    train: Annotated[int, typer.Option(min=1, help="Training utterances.")] = 2400,
    dev: Annotated[int, typer.Option(min=1, help="Validation utterances.")] = 80,
    test: Annotated[int, typer.Option(min=1, help="Test utterances.")] = 160,
    seed: Annotated[int, typer.Option(help="Random seed of voices and sentences.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one per core.")
    ] = None,
) -> None:
    """Synthesize a small speech corpus with espeak-ng, in LibriSpeech's layout."""
    from lact_modules.data.synthetic.corpus import make_corpus

    hours = make_corpus(
        out, train=train, dev=dev, test=test, seed=seed, workers=workers
    )
    parts = ", ".join(f"{split} {length:.2f} h" for split, length in hours.items())
    typer.echo(f"{out / 'LibriSpeech'}: {parts}")
