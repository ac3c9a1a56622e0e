"""``lact-asr plot-schedule``: which learning rates a recipe will use."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lact_modules.errors import InputError

# keys of the recipe may follow as options
CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}

_SHARES = (0, 25, 50, 75, 100)


def plot_schedule(
    context: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="YAML file of a recipe.")],
    steps: Annotated[
        int, typer.Option(min=1, help="Optimizer steps of the whole training.")
    ] = 10_000,
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file.")] = Path(
        "schedule.png"
    ),
) -> None:
    """Draw the learning rate of every parameter group over a training's steps.

    Keys of the recipe can be set as for training: --KEY VALUE.
    """
    from lact_modules.training.launch import load_hparams
    from lact_modules.training.schedule_plot import draw_rates, plan_rates

    if not output.parent.is_dir():
        raise InputError(f"{output}: its folder does not exist; make it first")
    with tempfile.TemporaryDirectory() as folder:
        # loading makes the folders of a run
        options = {**read_options(context.args), "output_folder": folder}
        overrides = "\n".join(f"{name}: {options[name]}" for name in options)
        hparams = load_hparams(recipe, overrides)
    rates = plan_rates(hparams, steps)
    draw_rates(rates, output)
    console = Console()
    console.print(_table(rates))
    console.print(f"{steps} steps; picture: {output}", markup=False, soft_wrap=True)


def read_options(words: Sequence[str]) -> dict[str, str]:
    """Read keys and values off a command line.

    Arguments
    ---------
    words : Sequence[str]
        ``--key value`` or ``--key=value``, the values YAML themselves.

    Returns
    -------
    dict[str, str]
        Value by key; the last one of a key counts.

    Raises
    ------
    InputError
        If a word is no option, or an option has no value.

    Example
    -------
    >>> read_options(["--learning_rate", "0.1", "--encoder={num_layers: 2}"])
    {'learning_rate': '0.1', 'encoder': '{num_layers: 2}'}
    """
    options: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        name, is_joined, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not (is_joined or left):
            raise InputError(f"{word!r}: keys of the recipe are given as --KEY VALUE")
        options[name] = value if is_joined else left.pop(0)
    return options


def _table(rates: dict[str, list[float]]) -> Table:
    table = Table(box=box.SIMPLE, padding=0)
    table.add_column("group", overflow="fold")
    for heading in ("peak", *(f"{share} %" for share in _SHARES)):
        table.add_column(heading, justify="right")
    for name, values in rates.items():
        chosen = (values[(len(values) - 1) * share // 100] for share in _SHARES)
        table.add_row(
            Text(name),
            *(f"{value:.1e}" if value else "0" for value in (max(values), *chosen)),
        )
    return table
