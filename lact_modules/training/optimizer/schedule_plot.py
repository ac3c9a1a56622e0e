"""Learning rates of a training that is planned, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from lact_modules.training.optimizer.plan import OptimizerPlan
from lact_modules.training.schedules import Schedule
from lact_modules.whole_file import whole_file


def plan_rates(
    plan: OptimizerPlan, schedule: Schedule, num_epochs: int, total_steps: int
) -> dict[str, list[float]]:
    """Compute the learning rate of every group before each update, 0 where frozen."""
    groups = plan.optimizer.param_groups
    rates: dict[str, list[float]] = {group["name"]: [] for group in groups}
    for step in range(total_steps):
        if plan.unfreezing is not None:
            plan.unfreezing.enter(1 + step * num_epochs // total_steps)
        factor = schedule(step, total_steps)
        for group in groups:
            rates[group["name"]].append(group["initial_lr"] * factor)
    return rates


def draw_rates(rates: Mapping[str, Sequence[float]], path: str | Path) -> None:
    """Draw learning rates against the optimizer's steps, equal ones as one curve."""
    # without pyplot there is no global state and no display to open
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="learning rate")
    curves: dict[tuple[float, ...], list[str]] = {}
    for name, values in rates.items():
        curves.setdefault(tuple(values), []).append(name)
    for values, names in curves.items():
        axes.plot(range(len(values)), values, label=", ".join(names))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, dpi=150, format="png")
