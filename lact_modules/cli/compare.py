"""``lact-asr compare``: compare finished runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from lact_modules.cli.option.splits import split_names
from lact_modules.cli.terminal.output import open_output, print_table

if TYPE_CHECKING:
    from lact_modules.comparison.compare import Comparison


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Output folders of training runs."),
    ],
    output: Annotated[
        Path, typer.Option(help="Folder for compare.html and compare.json.")
    ],
    splits: Annotated[
        str | None,
        typer.Option(
            help="Test splits; by default all that the runs have in common.",
            metavar="A,B",
        ),
    ] = None,
    benchmarks: Annotated[
        list[Path] | None,
        typer.Option(help="Result of benchmarks/inference.py. May be repeated."),
    ] = None,
) -> None:
    """Compare runs: error rates with intervals, learning curves, settings.

    Runs of one model that differ only in the seed count as one system.
    """
    from lact_modules.comparison.compare import compare as compare_systems
    from lact_modules.comparison.report import to_html, to_json
    from lact_modules.comparison.runs import Run, group_runs
    from lact_modules.comparison.speed import read_speed

    systems = group_runs([Run.from_folder(folder) for folder in runs])
    speed = read_speed(benchmarks or ())
    comparison = compare_systems(systems, split_names(splits) if splits else ())
    page = to_html(comparison, speed)
    output.mkdir(parents=True, exist_ok=True)
    with open_output(output / "compare.html") as stream:
        stream.write(page)
    with open_output(output / "compare.json") as stream:
        json.dump(to_json(comparison, speed), stream, indent=2)
    _print(comparison, output / "compare.html")


def _print(comparison: "Comparison", page: Path) -> None:
    console = Console()
    print_table(_scores_table(comparison))
    if len(comparison.systems) > 1:
        print_table(_differences_table(comparison))
    for caution in comparison.cautions:
        console.print(f"CAUTION: {caution}", style="bold red", markup=False)
    console.print(f"report: {page}", markup=False)


def _scores_table(comparison: "Comparison") -> Table:
    unfair = [c for c in comparison.cautions if c.startswith("not the same budget")]
    table = _table(
        *("n", "WER %", "95 % seeds", "95 % utt.", "M", "steps/s"),
        *("train s", "RTF"),
        names=["model"],
        title="".join(unfair).upper() or None,
    )
    systems = {system.name: system for system in comparison.systems}
    for trial in comparison.trials:
        table.add_row(f"[bold]{trial.split}, {trial.decoding}[/bold]")
        for score in trial.scores:
            system = systems[score.system]
            table.add_row(
                *(score.system, str(len(score.wers)), f"{score.wer:.2f}"),
                _range(score.seed_interval),
                _range(score.utterance_interval),
                f"{system.parameters / 1e6:.2f}",
                _format(system.steps_a_second, ".2f"),
                _format(system.training_s, ".0f"),
                _format(score.rtf, ".4f"),
            )
        table.add_section()
    return table


def _differences_table(comparison: "Comparison") -> Table:
    table = _table("WER second - first", "95 % utt.", "p", names=["first", "second"])
    for trial in comparison.trials:
        table.add_row(f"[bold]{trial.split}, {trial.decoding}[/bold]")
        for pair, difference in trial.differences.items():
            table.add_row(
                *(*pair, f"{difference.wer:+.2f}", _range(difference.interval)),
                f"{difference.p_value:.4f}",
            )
        table.add_section()
    return table


def _table(*numbers: str, names: Sequence[str], title: str | None = None) -> Table:
    table = Table(*names, title=title, title_style="bold red", box=box.SIMPLE)
    table.padding = 0
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _range(interval: tuple[float, float] | None) -> str:
    return "one seed" if interval is None else "{:.2f}..{:.2f}".format(*interval)


def _format(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)
