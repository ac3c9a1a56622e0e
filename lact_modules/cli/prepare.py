"""``lact-asr prepare``: manifests from a corpus folder."""

import math
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.option import options
from lact_modules.cli.option.splits import split_names
from lact_modules.errors import InputError


class Layout(str, Enum):
    """Corpora whose folders can be read."""

    LIBRISPEECH = "librispeech"
    COMMONVOICE = "commonvoice"
    FOLDER = "folder"


def prepare(
    layout: Annotated[Layout, typer.Argument(help="Layout of the folder.")],
    data_folder: Annotated[
        Path,
        typer.Argument(
            help="Folder of the splits; for 'folder', of audio with .txt or .lab files."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Output folder; gets <split>.jsonl.")],
    splits: Annotated[
        str | None,
        typer.Option(
            help="Splits, separated by commas; optional for 'folder'.",
            metavar="A,B,...",
        ),
    ] = None,
    table: Annotated[
        list[Path] | None,
        typer.Option(
            help="For 'folder': .csv, .tsv or .jsonl that lists audio and text, with "
            "paths relative to the folder; becomes <table>.jsonl. May be repeated."
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(help="For 'commonvoice': code, such as de; by default en."),
    ] = None,
    min_duration: Annotated[
        float, typer.Option(min=0, help="Seconds; shorter utterances are skipped.")
    ] = 0.1,
    max_duration: Annotated[
        float, typer.Option(min=0, help="Seconds; longer utterances are skipped.")
    ] = math.inf,
    channel: options.Channel = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; by default one per core.")
    ] = None,
) -> None:
    """Verify the audio of a corpus and write a manifest for each split."""
    from lact_modules.data.manifest.manifest import read_manifest

    if splits is None and layout != Layout.FOLDER:
        raise InputError(f"prepare {layout.value}: give --splits, as in train,dev,test")
    manifests = _find_preparation(layout, table, language)(
        data_folder,
        out,
        split_names(splits) if splits is not None else [],
        min_duration=min_duration,
        max_duration=max_duration,
        num_workers=workers,
        channel=channel,
    )
    for split, manifest in manifests.items():
        utterances = read_manifest(manifest)
        hours = sum(utterance.duration for utterance in utterances) / 3600
        typer.echo(f"{split}: {len(utterances)} utterances, {hours:.2f} h, {manifest}")


def _find_preparation(
    layout: Layout, tables: list[Path] | None, language: str | None
) -> Callable[..., dict[str, Path]]:
    """Return the function that prepares a layout, with its own options."""
    from functools import partial

    from lact_modules.data.corpus.commonvoice import prepare_commonvoice
    from lact_modules.data.corpus.folder import prepare_folder
    from lact_modules.data.corpus.librispeech import prepare_librispeech

    if tables and layout != Layout.FOLDER:
        raise InputError(f"--table: for prepare folder, not {layout.value}")
    if language and layout != Layout.COMMONVOICE:
        raise InputError(f"--language: for prepare commonvoice, not {layout.value}")
    if layout == Layout.FOLDER:
        return partial(prepare_folder, tables=tables or ())
    if layout == Layout.COMMONVOICE:
        return partial(prepare_commonvoice, language=language or "en")
    return prepare_librispeech
