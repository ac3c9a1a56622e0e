"""Entry point of ``lact-asr``: subcommands, and how their faults reach the user."""

import errno
import importlib
import sys

import typer

from lact_modules.errors import InputError

# One file a subcommand: lact_modules/cli/<name>.py defines the function <name>.
SUBCOMMANDS: tuple[str, ...] = ()

app = typer.Typer(
    help="Speech recognition with LaCT encoders: everything around training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _name in SUBCOMMANDS:
    app.command(_name)(getattr(importlib.import_module(f"lact_modules.cli.{_name}"), _name))


def main() -> None:
    """Run the command line; a user's fault is one line and exit code 2."""
    try:
        app()
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _fail(f"{error.filename or 'output'}: no space left on the device; free some and rerun")


def _fail(message: str) -> None:
    print(f"lact-asr: {message}", file=sys.stderr)
    sys.exit(2)
