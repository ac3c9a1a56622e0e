"""Do fast weights help the longer a recording lasts? Word error rates by minute.

python benchmarks/by_minute.py --lact RUN --lact RUN --data chapters.jsonl \
    --other window=RUN --other window=RUN --other conformer=RUN

``--lact`` are trainings of one recipe that differ in the seed; their fast weights are
let learn, and are kept as they were trained. Other systems are named; a name may come
several times, with other seeds. Errors of a system are the mean over its seeds, and
differences are drawn over recordings (paired bootstrap). In ``by_minute.svg`` the rates
are drawn with their intervals over recordings.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import matplotlib
import numpy
import typer
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from program import run_program
from recognition import Recognized, Way, make_recognizer, stop_learning
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import format_difference, name_data, read_some, write_study

from lact_modules.cli.terminal.output import print_table
from lact_modules.comparison.statistics import paired_bootstrap, utterance_interval
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError
from lact_modules.model_store.loading import load_model
from lact_modules.scoring.error_rate import draw_utterances
from lact_modules.scoring.minutes import TimedErrors, count_minutes, time_errors
from lact_modules.whole_file import whole_file

ON, OFF = "update on", "update off"
PICTURE = "by_minute.svg"
_NUM_DRAWS = 10_000

Counts = NDArray[numpy.float64]
"""(R, U, M, 4) by training, recording and minute, as `count_minutes` has them."""


class System(NamedTuple):
    """A training by the name of its system, and whether its fast weights learn."""

    name: str
    run: Path
    learns: bool = True

    def recognize(
        self, recordings: Sequence[Utterance], way: Way, chunk: float, left: float
    ) -> list[Recognized]:
        """Transcribe recordings."""
        trained = load_model(self.run)
        if not self.learns and not stop_learning(trained.model):
            raise InputError(f"--lact {self.run}: has no fast weights")
        return list(make_recognizer(trained, way, chunk, left)(recordings))


def align(
    recordings: Sequence[Utterance], hypotheses: dict[str, list[list[Recognized]]]
) -> dict[str, Counts]:
    """Count the errors of all systems by minute.

    A reference word is in the same minute for all systems, so that they can be
    compared: at the mean of the times that they would have it.
    """
    found = {
        name: [
            [
                time_errors(reference.text, *each)
                for reference, each in zip(recordings, of_run, strict=True)
            ]
            for of_run in of_runs
        ]
        for name, of_runs in hypotheses.items()
    }
    all_runs = [of_run for of_runs in found.values() for of_run in of_runs]
    times = [
        numpy.mean([errors.times for errors in of_recording], axis=0)
        for of_recording in zip(*all_runs, strict=True)
    ]
    seconds = [each.seconds for each in next(iter(hypotheses.values()))[0]]
    return {
        name: numpy.stack([_count(of_run, times, seconds) for of_run in of_runs])
        for name, of_runs in found.items()
    }


def _count(
    errors: Sequence[TimedErrors],
    times: Sequence[NDArray[numpy.float64]],
    seconds: Sequence[float],
) -> NDArray[numpy.int64]:
    """Count a training's errors, (U, M, 4); in minutes that are not there, none."""
    counts = [
        count_minutes(each._replace(times=when), length)
        for each, when, length in zip(errors, times, seconds, strict=True)
    ]
    longest = max(map(len, counts))
    return numpy.stack(
        [numpy.pad(each, ((0, longest - len(each)), (0, 0))) for each in counts]
    )


class Rates:
    """Word error rates of a system, by recording and minute.

    Arguments
    ---------
    counts : Counts
        Of its trainings.
    """

    def __init__(self, counts: Counts):
        by_run = counts[..., :3].sum(axis=-1)
        # (U, M)
        self.errors = by_run.mean(axis=0)
        self.words = counts[0, ..., 3].astype(numpy.int64)
        self.deletions = counts[..., 2].mean(axis=0)
        self.by_run = [float(100 * e.sum() / self.words.sum()) for e in by_run]

    def sum_up(self, others: dict[str, "Rates"]) -> dict[str, Any]:
        """Return rates of all, and by minute, with differences from other systems."""
        return {
            "wer_by_run": self.by_run,
            **self._rate(numpy.arange(self.words.shape[1]), others),
            "rise": self._rise(),
            "minutes": [
                {"minute": minute + 1, **self._rate(numpy.array([minute]), others)}
                for minute in range(self.words.shape[1])
            ],
        }

    def _rate(
        self, minutes: NDArray[numpy.int64], others: dict[str, "Rates"]
    ) -> dict[str, Any]:
        words = self.words[:, minutes].sum(axis=1)
        errors = self.errors[:, minutes].sum(axis=1)
        return {
            "recordings": int((words > 0).sum()),
            "n_words": int(words.sum()),
            "wer": float(100 * errors.sum() / max(words.sum(), 1)),
            "interval": utterance_interval(errors, words),
            "deletions": float(self.deletions[:, minutes].sum()),
            "against": {
                name: paired_bootstrap(
                    other.errors[:, minutes].sum(axis=1), errors, words
                )._asdict()
                for name, other in others.items()
            },
        }

    def _rise(self) -> dict[str, Any]:
        """By how much the rate after the first minute exceeds that of the first."""
        first, last = (
            numpy.stack([self.errors[:, part], self.words[:, part]], axis=-1).sum(
                axis=1
            )
            for part in (slice(1), slice(1, None))
        )
        draws = draw_utterances(len(first), _NUM_DRAWS)

        def rate(counts: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
            return 100 * counts[..., 0] / numpy.maximum(counts[..., 1], 1)

        drawn = rate(draws @ last) - rate(draws @ first)
        return {
            "wer": float(rate(last.sum(axis=0)) - rate(first.sum(axis=0))),
            "interval": numpy.percentile(drawn, [2.5, 97.5]).tolist(),
        }


def summarize(counted: dict[str, Counts]) -> dict[str, dict[str, Any]]:
    """Rates by system, and what fast weights that learn differ by from the others."""
    rates = {name: Rates(counts) for name, counts in counted.items()}
    others = {name: each for name, each in rates.items() if name != ON}
    return {
        name: each.sum_up(others if name == ON else {}) for name, each in rates.items()
    }


def show(summary: dict[str, dict[str, Any]]) -> None:
    """Print a row for each minute, and one for all of them."""
    others = summary[ON]["against"]
    table = Table(
        *("minute", "recordings", "words"),
        *(f"{name} % (del)" for name in summary),
        *(f"{ON} - {name} [95 %]" for name in others),
        box=box.SIMPLE_HEAD,
    )
    for place in range(-1, len(summary[ON]["minutes"])):
        rows = [row if place < 0 else row["minutes"][place] for row in summary.values()]
        table.add_row(
            str(rows[0].get("minute", "all")),
            *(str(rows[0][name]) for name in ("recordings", "n_words")),
            *(f"{row['wer']:.2f} ({row['deletions']:g})" for row in rows),
            *(
                format_difference(d["wer"], d["interval"])
                for d in rows[0]["against"].values()
            ),
        )
    rises = (
        format_difference(row["rise"]["wer"], row["rise"]["interval"])
        for row in summary.values()
    )
    table.add_row("rise after 1", "", "", *rises)
    print_table(table)


def draw(summary: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw the rates of all systems by minute, with their intervals."""
    # without pyplot there is no global state and no display to open
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="minute", ylabel="word error rate (%)")
    for name, row in summary.items():
        minutes = [each["minute"] for each in row["minutes"]]
        (line,) = axes.plot(
            minutes, [each["wer"] for each in row["minutes"]], marker="o", label=name
        )
        bounds = zip(*(each["interval"] for each in row["minutes"]), strict=True)
        axes.fill_between(minutes, *bounds, color=line.get_color(), alpha=0.15, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        matplotlib.rc_context({"svg.hashsalt": path.name, "svg.fonttype": "none"}),
        whole_file(path) as place,
    ):
        figure.savefig(place, format="svg", metadata={"Date": None})


def read_others(systems: Sequence[str]) -> list[System]:
    """Read ``NAME=RUN``."""
    found = []
    for text in systems:
        name, _, run = text.partition("=")
        if not (name and run) or name in (ON, OFF):
            raise InputError(f"--other {text}: give NAME=RUN, such as window=runs/1")
        found.append(System(name, Path(run)))
    return found


def main(
    lact: Annotated[list[Path], typer.Option(help="Trainings with fast weights.")],
    data: Annotated[Path, typer.Option(help="Manifest of long recordings.")],
    other: Annotated[
        list[str] | None, typer.Option(help="NAME=RUN: a training of another system.")
    ] = None,
    way: Annotated[
        Way, typer.Option(help="How recordings are recognized.")
    ] = Way.TRANSCRIBE,
    chunk: Annotated[float, typer.Option(help="Chunk size in seconds.")] = 0.64,
    left: Annotated[float, typer.Option(help="Left context in seconds.")] = 5.12,
    limit: Annotated[
        int | None, typer.Option(help="Number of recordings, evenly spread.")
    ] = None,
    output: Path = Path("runs/memory/by_minute"),
) -> None:
    """Transcribe recordings with every system, and compare by minute."""
    systems = [System(ON, run) for run in lact] + [
        System(OFF, run, False) for run in lact
    ]
    systems += read_others(other or [])
    recordings = read_some(data, limit)
    hypotheses: dict[str, list[list[Recognized]]] = {}
    for system in track(systems, name_data(data), console=Console(stderr=True)):
        found = system.recognize(recordings, way, chunk, left)
        if max(each.seconds for each in found) <= 60:
            raise InputError(f"{data}: no recording is longer than a minute")
        hypotheses.setdefault(system.name, []).append(found)
    summary = summarize(align(recordings, hypotheses))
    draw(summary, output / PICTURE)
    settings = dict(data=name_data(data), way=way.value)
    if way is not Way.TRANSCRIBE:
        settings |= dict(chunk_seconds=chunk, left_seconds=left)
    write_study(
        output, lact[0], "cpu", "memory", "by_minute", **settings, by_minute=summary
    )
    show(summary)


if __name__ == "__main__":
    run_program(main)
