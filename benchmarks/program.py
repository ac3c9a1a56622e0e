"""Run a program of this folder from the command line."""

import sys
from collections.abc import Callable
from pathlib import Path

import typer

from lact_modules.errors import faults_shown


def run_program(main: Callable[..., None]) -> None:
    """Run it with the options given; a user's fault is one line and exit code 2."""
    with faults_shown(Path(sys.argv[0]).name):
        typer.run(main)
