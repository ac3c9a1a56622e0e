"""``lact-asr download``: fetch a public corpus."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.options import given
from lact_modules.cli.splits import Splits, split_names


class Corpus(str, Enum):
    """Corpora that can be fetched."""

    LIBRISPEECH = "librispeech"


def download(
    corpus: Annotated[Corpus, typer.Argument(help="What to fetch.")],
    out: Annotated[Path, typer.Argument(help="Gets the folder LibriSpeech.")],
    splits: Splits,
    base_url: Annotated[
        str | None, typer.Option(help="Mirror of the archives and their md5sum.txt.")
    ] = None,
) -> None:
    """Fetch, verify and unpack splits; run again to continue."""
    from lact_modules.data.download import download_librispeech

    mirror = given(base_url=base_url)
    for folder in download_librispeech(split_names(splits), out, **mirror):
        typer.echo(f"{folder}: complete")
