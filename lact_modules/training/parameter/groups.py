"""Learning rates and weight decay by part of the model."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from torch import nn

from lact_modules.errors import InputError
from lact_modules.training.parameter.module_paths import select
from lact_modules.training.parameter.unfreezing import Stage

_SETTINGS = {"match", "lr", "lr_scale", "weight_decay"}
# one vector a head or a use, or logarithms of rates: no matrices to keep small
_VECTORS = ("A_log", "qk_scale", "qk_offset", "content_bias", "distance_bias")


class ParameterGroup(NamedTuple):
    """Parameters that are trained alike.

    ``lr`` and ``weight_decay`` of None are the optimizer's. ``scale`` is a factor of
    the learning rate; peak rates of stages are scaled already, None is frozen.
    ``is_hidden`` marks matrices that an optimizer treats differently.
    """

    name: str
    parameters: list[nn.Parameter]
    lr: float | None
    scale: float
    weight_decay: float | None
    stage_rates: list[float | None]
    is_hidden: bool = False


def read_rules(entries: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Check the YAML key ``parameter_groups``, and read its numbers."""
    rules = []
    for entry in entries or ():
        try:
            numbers = {key: float(entry[key]) for key in {*entry} - {"match"}}
            rule = {"match": str(entry["match"]), **numbers}
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(
                f"parameter_groups: {entry!r} is not of the form "
                "{match: MODULE, lr: RATE, lr_scale: FACTOR, weight_decay: DECAY}"
            ) from error
        if unknown := rule.keys() - _SETTINGS:
            raise InputError(
                f"parameter_groups: {entry!r} has the unknown key {min(unknown)!r}; "
                "use lr, lr_scale and weight_decay"
            )
        rules.append(rule)
    return rules


def group_parameters(
    model: nn.Module,
    rules: Sequence[dict[str, Any]] = (),
    stages: Sequence[Stage] = (),
    layer_decay: float = 1.0,
    decay_vectors: bool = True,
    hidden: Collection[str] = (),
) -> list[ParameterGroup]:
    """Part a model's parameters by how they are trained.

    Of rules that match a parameter, the last one with a setting counts. Its peak
    learning rate is ``lr * lr_scale * layer_decay ** depth``, where a stage may have
    another `lr`. The depth is 1 for the encoder's last block, 2 for the one before,
    ..., one more than for the first block for the front end, and 0 for all else.
    """
    parameters = dict(model.named_parameters())
    settings: dict[str, dict[str, Any]] = {name: {} for name in parameters}
    # names of a group: all that its parameters were matched by
    labels: dict[str, list[str]] = {name: [] for name in parameters}
    for rule in rules:
        for name in select(rule["match"], parameters, "parameter_groups"):
            settings[name].update(rule)
            labels[name].append(rule["match"])
    stage_rates = [_rates_of(stage, parameters, labels) for stage in stages]
    layers = _layers(model) if layer_decay != 1 else []
    groups: dict[tuple[Any, ...], ParameterGroup] = {}
    for name, parameter in parameters.items():
        given = settings[name]
        scale, weight_decay = given.get("lr_scale", 1.0), given.get("weight_decay")
        for depth, layer in enumerate(layers, start=1):
            if name.startswith(f"{layer}."):
                scale *= layer_decay**depth
                labels[name].append(layer)
        if not decay_vectors and is_vector(name, parameter):
            weight_decay = 0.0
            labels[name].append("vectors")
        if name in hidden:
            labels[name].append("matrices")
        rates = [rates.get(name) for rates in stage_rates]
        group = ParameterGroup(
            name=" + ".join(dict.fromkeys(labels[name])) or "others",
            parameters=[],
            lr=given.get("lr"),
            scale=scale,
            weight_decay=weight_decay,
            stage_rates=[None if rate is None else rate * scale for rate in rates],
            is_hidden=name in hidden,
        )
        key = (group.name, group.lr, scale, weight_decay, *rates)
        groups.setdefault(key, group).parameters.append(parameter)
    return list(groups.values())


def _rates_of(
    stage: Stage, parameters: dict[str, nn.Parameter], labels: dict[str, list[str]]
) -> dict[str, float]:
    """Return the rates of parameters that a stage trains; note what matched them."""
    matches = {
        name: pattern
        for pattern in stage.rates
        for name in select(pattern, parameters, "unfreezing_stages")
    }
    for name, pattern in matches.items():
        labels[name].append(pattern)
    return {name: stage.rates[pattern] for name, pattern in matches.items()}


def _layers(model: nn.Module) -> list[str]:
    """List the paths of blocks, the last first, and of the front end below them."""
    for path, module in model.named_modules():
        if path.startswith("encoder") and isinstance(module, nn.ModuleList):
            blocks = [f"{path}.{i}" for i in range(len(module))]
            return [*reversed(blocks), "frontend"]
    raise InputError("layer_decay: the model's encoder has no list of blocks")


def is_vector(name: str, parameter: nn.Parameter) -> bool:
    """Return whether a parameter is a vector, or several that no matrix multiplies."""
    return parameter.ndim < 2 or name.rpartition(".")[2] in _VECTORS
