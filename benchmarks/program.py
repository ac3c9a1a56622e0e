"""Run a program of this folder from the command line."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from lact_modules.errors import faults_shown
from lact_modules.renamed import warn_of_former_names

_FORMER_OPTIONS = {"--arm": "--system", "--arms": "--systems"}


def run_program(main: Callable[..., None]) -> None:
    """Run it with the options given; a user's fault is one line and exit code 2."""
    sys.argv[1:] = with_present_options(sys.argv[1:])
    with faults_shown(Path(sys.argv[0]).name):
        typer.run(main)


def with_present_options(words: Sequence[str]) -> list[str]:
    """Rename options that were called otherwise in earlier versions, with a warning."""
    # what stands behind two dashes is for train.py
    end = words.index("--") if "--" in words else len(words)
    options = [word.partition("=") for word in words[:end]]
    names = [name for name, *_ in options if name in _FORMER_OPTIONS]
    former = {name: _FORMER_OPTIONS[name] for name in names}
    warn_of_former_names("command line", former)
    own = [
        f"{_FORMER_OPTIONS.get(name, name)}{sign}{value}"
        for name, sign, value in options
    ]
    return [*own, *words[end:]]
