"""``lact-asr plot-schedule``: plot the learning rates of a recipe."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lact_modules.cli.terminal.output import make_folder, print_table

# keys of the recipe may follow as options
CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}

_SHARES = (0, 25, 50, 75, 100)


def plot_schedule(
    context: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="YAML file of a recipe.")],
    steps: Annotated[
        int, typer.Option(min=1, help="Optimizer steps of the whole training.")
    ] = 10_000,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="PNG file to write.")
    ] = Path("schedule.png"),
) -> None:
    """Plot the learning rate of every parameter group over the steps of a training.

    Override keys of the recipe as in training: --KEY VALUE.
    """
    from lact_modules.training.from_keys import from_keys
    from lact_modules.training.optimizer.plan import plan_optimizer
    from lact_modules.training.optimizer.schedule_plot import draw_rates, plan_rates
    from lact_modules.training.option.command_line import read_command_line
    from lact_modules.training.option.hparams import load_hparams
    from lact_modules.training.option.keys import EVERY

    make_folder(output)
    with tempfile.TemporaryDirectory() as folder:
        # loading makes the folders of a run
        words = [str(recipe), *context.args, f"--output_folder={folder}"]
        hparams = load_hparams(recipe, read_command_line(words, EVERY).overrides)
    plan = from_keys(plan_optimizer, hparams)
    num_epochs = hparams["epoch_counter"].limit
    rates = plan_rates(plan, hparams["schedule"], num_epochs, steps)
    draw_rates(rates, output)
    print_table(_table(rates))
    Console().print(f"{steps} steps; picture: {output}", markup=False, soft_wrap=True)


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
