"""The optimizer of a training: its groups, their rates, and when they learn."""

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import nn
from torch.optim import Optimizer

from lact_modules.training.muon import hidden_matrices, wants_hidden
from lact_modules.training.parameter.groups import (
    ParameterGroup,
    group_parameters,
    read_rules,
)
from lact_modules.training.parameter.unfreezing import (
    Stage,
    StagedUnfreezing,
    read_stages,
)


class OptimizerPlan(NamedTuple):
    """What trains a model; groups have a ``name`` and a peak rate, ``initial_lr``."""

    optimizer: Optimizer
    unfreezing: StagedUnfreezing | None
    table: str


def plan_optimizer(
    model: nn.Module,
    opt_class: Callable[..., Optimizer],
    parameter_groups: Sequence[dict[str, Any]] | None = None,
    layer_decay: float = 1.0,
    unfreezing_stages: Sequence[dict[str, Any]] | None = None,
    remove_vector_weight_decay: bool = False,
) -> OptimizerPlan:
    """Make the optimizer of the YAML, with one group by default."""
    stages = read_stages(unfreezing_stages)
    groups = group_parameters(
        model,
        read_rules(parameter_groups),
        stages,
        layer_decay,
        not remove_vector_weight_decay,
        hidden_matrices(model) if wants_hidden(opt_class) else (),
    )
    optimizer = _make_optimizer(opt_class, groups)
    unfreezing = None
    if stages:
        rates = [group.stage_rates for group in groups]
        unfreezing = StagedUnfreezing(optimizer, stages, rates)
    return OptimizerPlan(optimizer, unfreezing, _describe(optimizer, groups, stages))


def _make_optimizer(
    opt_class: Callable[..., Optimizer], groups: Sequence[ParameterGroup]
) -> Optimizer:
    options: list[dict[str, Any]] = []
    for group in groups:
        options.append({"params": group.parameters, "name": group.name})
        if group.weight_decay is not None:
            options[-1]["weight_decay"] = group.weight_decay
        if group.is_hidden:
            options[-1]["is_hidden"] = True
    optimizer = opt_class(options)
    for made, group in zip(optimizer.param_groups, groups, strict=True):
        lr = made["lr"] if group.lr is None else group.lr
        made["lr"] = made["initial_lr"] = lr * group.scale
    return optimizer


def _describe(
    optimizer: Optimizer, groups: Sequence[ParameterGroup], stages: Sequence[Stage]
) -> str:
    """Lay groups out as a table: parameters, weight decay, peak learning rates."""
    epochs = [f"epochs {stage.first} to {stage.last}" for stage in stages]
    table = Table("group", box=None)
    for heading in ("parameters", "weight decay", *(epochs or ["learning rate"])):
        table.add_column(heading, justify="right")
    for made, group in zip(optimizer.param_groups, groups, strict=True):
        rates = group.stage_rates if stages else [made["initial_lr"]]
        table.add_row(
            Text(group.name),
            f"{sum(parameter.numel() for parameter in group.parameters):,}",
            f"{made.get('weight_decay', 0.0):g}",
            *("frozen" if rate is None else f"{rate:.2e}" for rate in rates),
        )
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
