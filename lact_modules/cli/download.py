"""``lact-asr download``: download a public corpus."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.option.options import given
from lact_modules.cli.option.splits import split_names
from lact_modules.errors import InputError


class Corpus(str, Enum):
    """Corpora that can be downloaded."""

    LIBRISPEECH = "librispeech"
    LIBRISPEECH_LONG = "librispeech-long"


def download(
    corpus: Annotated[Corpus, typer.Argument(help="Corpus to download.")],
    out: Annotated[
        Path, typer.Argument(help="Output folder; gets a folder of the corpus.")
    ],
    splits: Annotated[
        str | None,
        typer.Option(
            help="Splits of librispeech, separated by commas; librispeech-long is one "
            "archive.",
            metavar="A,B,...",
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="Mirror of the archives (and of librispeech's md5sum.txt)."),
    ] = None,
) -> None:
    """Download, verify and unpack splits; run it again to continue."""
    from lact_modules.data.corpus.download import (
        download_librispeech,
        download_librispeech_long,
    )

    mirror = given(base_url=base_url)
    if corpus is Corpus.LIBRISPEECH_LONG:
        if splits is not None:
            raise InputError("--splits: one archive holds all of librispeech-long")
        folders = download_librispeech_long(out, **mirror)
    else:
        folders = download_librispeech(split_names(splits or ""), out, **mirror)
    for folder in folders:
        typer.echo(f"{folder}: complete")
