"""The option that names splits of a corpus."""

from typing import Annotated

import typer

from lact_modules.errors import InputError

Splits = Annotated[
    str, typer.Option(help="Folder names, separated by commas.", metavar="A,B,...")
]


def split_names(splits: str) -> list[str]:
    """Split the value of an option into names, at commas."""
    names = [name.strip() for name in splits.split(",") if name.strip()]
    if not names:
        raise InputError("--splits: no name; give some, as in dev-clean,test-clean")
    return names
