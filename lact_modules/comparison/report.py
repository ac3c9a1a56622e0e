"""Write a comparison as one web page, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lact_modules.comparison.compare import Comparison
from lact_modules.comparison.figures import draw_curves, draw_scores, draw_speed
from lact_modules.comparison.runs import DECODING, Run, System
from lact_modules.comparison.settings import section
from lact_modules.comparison.speed import SpeedCurve

# By title: split and key of the log, and what is below the curve.
_CURVES = {
    "Validation: word error rate by step": ("dev", "wer", "step"),
    "Validation: word error rate by second": ("dev", "wer", "training_s"),
    "Training: loss by step": ("train", "loss", "step"),
    "Training: loss by second": ("train", "loss", "training_s"),
}
_LABELS = {
    "step": "optimizer step",
    "training_s": "seconds of training",
    "wer": "word error rate (%)",
    "loss": "loss a label (nats)",
    "rtf": "processing s / audio s",
    "peak_memory_mib": "peak memory (MiB)",
    "audio_s": "length of the audio (s)",
}


def to_json(comparison: Comparison, speed: Sequence[SpeedCurve] = ()) -> dict[str, Any]:
    """Lay a comparison out as plain data that JSON can hold."""
    return {
        "cautions": comparison.cautions,
        "systems": [_system(system) for system in comparison.systems],
        "trials": [
            {
                **asdict(trial),
                "differences": [
                    {"systems": pair, **difference._asdict()}
                    for pair, difference in trial.differences.items()
                ],
            }
            for trial in comparison.trials
        ],
        "settings": comparison.settings,
        "speed": [asdict(curve) for curve in speed],
    }


def _system(system: System) -> dict[str, Any]:
    keys = ("seed", "command", "date", "commit", "versions", "hardware")
    return {
        "name": system.name,
        "parameters": system.parameters,
        "steps": system.steps,
        "training_s": system.training_s,
        "steps_a_second": system.steps_a_second,
        "runs": [
            {"folder": run.folder.name, **{key: run.result.get(key) for key in keys}}
            for run in system.runs
        ],
    }


def to_html(comparison: Comparison, speed: Sequence[SpeedCurve] = ()) -> str:
    """Render a comparison as a page without scripts that needs no other file."""
    environment = Environment(
        loader=PackageLoader("lact_modules.comparison", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["interval"] = format_interval
    runs = [run for system in comparison.systems for run in system.runs]
    return environment.get_template("report.html.jinja").render(
        comparison=comparison,
        datasets=_values(runs, "dataset"),
        places={system.name: place for place, system in enumerate(comparison.systems)},
        scores=[(trial, Markup(draw_scores(trial))) for trial in comparison.trials],
        curves=_draw_curves(comparison.systems),
        speed=speed,
        speed_figures=_draw_speed(comparison, speed),
        decoding=_decoding(comparison),
        runs=[(system, run) for system in comparison.systems for run in system.runs],
        hardware=_values(runs, "hardware"),
        versions=_values(runs, "versions"),
    )


def format_interval(interval: Sequence[float] | None) -> str:
    """Write an interval of percentages with two decimals."""
    if interval is None:
        return "one seed"
    low, high = interval
    return f"{low:.2f} to {high:.2f}"


def _values(runs: Sequence[Run], key: str) -> list[Any]:
    found: list[Any] = []
    for run in runs:
        value = run.result.get(key)
        if value is not None and value not in found:
            found.append(value)
    return found


def _draw_curves(systems: Sequence[System]) -> dict[str, Markup]:
    figures = {}
    for title, (split, quantity, against) in _CURVES.items():
        labels = [_LABELS[against], _LABELS[quantity]]
        svg = draw_curves(systems, split, quantity, against, labels)
        if svg is not None:
            figures[title] = Markup(svg)
    return figures


def _draw_speed(
    comparison: Comparison, speed: Sequence[SpeedCurve]
) -> dict[str, Markup]:
    if not speed:
        return {}
    names = [system.name for system in comparison.systems]
    titles = {"Real-time factor": "rtf", "Memory": "peak_memory_mib"}
    return {
        title: Markup(
            draw_speed(speed, names, field, [_LABELS["audio_s"], _LABELS[field]])
        )
        for title, field in titles.items()
    }


def _decoding(comparison: Comparison) -> dict[str, str]:
    """Return the settings of searches that all systems have in common."""
    if all(trial.decoding == "greedy" for trial in comparison.trials):
        return {}
    first, *others = (
        section(system.settings, DECODING) for system in comparison.systems
    )
    return {
        key.partition(".")[2] or key: value
        for key, value in first.items()
        if all(other.get(key) == value for other in others)
    }
