"""``lact-asr prepare``: manifests from a corpus folder."""

import math
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.splits import Splits, split_names


class Layout(str, Enum):
    """Corpora whose folders can be read."""

    LIBRISPEECH = "librispeech"


def prepare(
    layout: Annotated[Layout, typer.Argument(help="How the folder is laid out.")],
    data_folder: Annotated[Path, typer.Argument(help="Holds the splits' folders.")],
    out: Annotated[Path, typer.Argument(help="Gets <split>.jsonl.")],
    splits: Splits,
    min_duration: Annotated[
        float, typer.Option(min=0, help="Seconds; shorter utterances are skipped.")
    ] = 0.1,
    max_duration: Annotated[
        float, typer.Option(min=0, help="Seconds; longer utterances are skipped.")
    ] = math.inf,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; one a core if not given.")
    ] = None,
) -> None:
    """Verify the audio of a corpus and write a manifest for each split."""
    from lact_modules.data.librispeech import prepare_librispeech
    from lact_modules.data.manifest import read_manifest

    manifests = prepare_librispeech(
        data_folder,
        out,
        split_names(splits),
        min_duration=min_duration,
        max_duration=max_duration,
        num_workers=workers,
    )
    for split, manifest in manifests.items():
        utterances = read_manifest(manifest)
        hours = sum(utterance.duration for utterance in utterances) / 3600
        typer.echo(f"{split}: {len(utterances)} utterances, {hours:.2f} h, {manifest}")
