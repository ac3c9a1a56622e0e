"""The option that names splits of a corpus."""

from typing import Annotated

import typer

from lact_modules.errors import InputError

Splits = Annotated[
    str, typer.Option(help="Folder names, with commas between.", metavar="A,B,...")
]


def split_names(splits: str) -> list[str]:
    """Take the option's value apart.

    Arguments
    ---------
    splits : str
        Names with commas between.

    Returns
    -------
    list[str]
        The names, without blanks around them.

    Raises
    ------
    InputError
        If there is no name.

    Example
    -------
    >>> split_names("dev-clean, test-clean")
    ['dev-clean', 'test-clean']
    """
    names = [name.strip() for name in splits.split(",") if name.strip()]
    if not names:
        raise InputError("--splits: no name; give some, as in dev-clean,test-clean")
    return names
