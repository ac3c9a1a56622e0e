"""Train parts of a model in stages: what a stage does not name is frozen in it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch.optim import Optimizer

from lact_modules.errors import InputError


class Stage(NamedTuple):
    """Epochs ``first`` to ``last`` with peak rates by pattern, see `select`.

    Of several patterns the last one counts. The last stage holds on beyond its end.
    """

    first: int
    last: int
    rates: dict[str, float]


def read_stages(entries: Sequence[dict[str, Any]] | None) -> list[Stage]:
    """Check the YAML key ``unfreezing_stages``, whose epochs follow one another."""
    stages: list[Stage] = []
    for entry in entries or ():
        try:
            (first, last), rates = map(int, entry["epochs"]), dict(entry["rates"])
            stage = Stage(first, last, {str(k): float(v) for k, v in rates.items()})
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(
                f"unfreezing_stages: {entry!r} is not of the form "
                "{epochs: [FIRST, LAST], rates: {MODULE: RATE, ...}}"
            ) from error
        expected = stages[-1].last + 1 if stages else 1
        if first != expected or last < first or not rates:
            raise InputError(
                f"unfreezing_stages: {entry!r} must begin with epoch {expected}, not "
                "end before it, and name what to train"
            )
        stages.append(stage)
    return stages


class StagedUnfreezing:
    """Freeze and unfreeze an optimizer's groups as stages follow one another.

    A frozen parameter gets no gradient, so that the optimizer passes it over: its
    state stays as it is, and no weight decay shrinks it. Frozen modules stay in
    training mode, dropout included.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        stages: Sequence[Stage],
        rates: Sequence[Sequence[float | None]],
    ):
        self.optimizer = optimizer
        self.stages = stages
        self.rates = rates

    def enter(self, epoch: int) -> bool:
        """Prepare an epoch, from 1; return whether what is trained has changed."""
        past = [i for i, stage in enumerate(self.stages) if stage.first <= epoch]
        has_changed = False
        groups = self.optimizer.param_groups
        for group, rates in zip(groups, self.rates, strict=True):
            rate = rates[past[-1]]
            group["initial_lr"] = rate or 0.0
            for parameter in group["params"]:
                has_changed |= parameter.requires_grad == (rate is None)
                parameter.requires_grad_(rate is not None)
        return has_changed
