"""Entry point of ``lact-asr``: subcommands, and how their faults reach the user."""

import importlib
from typing import Annotated

import typer

from lact_modules import __version__
from lact_modules.allocator import keep_freed_memory
from lact_modules.cli.terminal.signals import signals_undo
from lact_modules.cli.terminal.standard_streams import standard_streams
from lact_modules.closed_streams import open_closed_streams
from lact_modules.errors import faults_shown
from lact_modules.packages import misfits_named
from lact_modules.threads import obey_thread_limit

# lact_modules/cli/<name>.py defines the function <name>, with underscores for dashes;
# what it needs of torch and SpeechBrain is imported within, so that help is immediate.
SUBCOMMANDS = (
    "compare",
    "corrupt",
    "doctor",
    "download",
    "evaluate",
    "export",
    "join",
    "ngram",
    "plot-schedule",
    "prepare",
    "push",
    "serve",
    "shard",
    "stream",
    "synth",
    "teacher-codes",
    "transcribe",
    "tune-lm",
)

app = typer.Typer(
    help="Speech recognition with LaCT encoders: everything around training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"lact-asr {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version and exit.",
            callback=_show_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass


for _name in SUBCOMMANDS:
    _function = _name.replace("-", "_")
    _module = importlib.import_module(f"lact_modules.cli.{_function}")
    _settings = getattr(_module, "CONTEXT_SETTINGS", None)
    app.command(_name, context_settings=_settings)(getattr(_module, _function))


def main() -> None:
    """Run the command line; a user's fault is one line and exit code 2."""
    open_closed_streams()
    keep_freed_memory()
    obey_thread_limit()
    with (
        faults_shown("lact-asr"),
        standard_streams(),
        signals_undo(),
        misfits_named(),
    ):
        app()
