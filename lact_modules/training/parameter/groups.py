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

    Arguments
    ---------
    name : str
        What distinguishes it from other groups.
    parameters : list[nn.Parameter]
        Its parameters.
    lr : float | None
        Peak learning rate; None: the optimizer's.
    scale : float
        Factor of that rate, and of a stage's.
    weight_decay : float | None
        None: the optimizer's.
    stage_rates : list[float | None]
        Peak learning rate in each stage, scaled; None: frozen.
    is_hidden : bool
        Whether they are matrices that an optimizer treats otherwise.
    """

    name: str
    parameters: list[nn.Parameter]
    lr: float | None
    scale: float
    weight_decay: float | None
    stage_rates: list[float | None]
    is_hidden: bool = False


def read_rules(entries: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Check the YAML key ``parameter_groups``.

    Arguments
    ---------
    entries : Sequence[dict[str, Any]] | None
        Each with ``match`` and any of ``lr``, ``lr_scale``, ``weight_decay``.

    Returns
    -------
    list[dict[str, Any]]
        The same with their numbers read; empty if there are none.

    Raises
    ------
    InputError
        If a rule is not of that form.

    Example
    -------
    >>> read_rules([{"match": "frontend", "lr": "1e-5"}])
    [{'match': 'frontend', 'lr': 1e-05}]
    """
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

    Of rules that match a parameter, the last one that gives a setting counts. Its peak
    learning rate is ``lr * lr_scale * layer_decay ** depth``, where a stage gives
    another `lr`. The depth is 1 for the encoder's last block, 2 for the one before,
    ..., one more than for the first block for the front end, and 0 for all else.

    Arguments
    ---------
    model : nn.Module
        With an ``encoder`` and a ``frontend`` where layers decay.
    rules : Sequence[dict[str, Any]]
        As `read_rules` gives them.
    stages : Sequence[Stage]
        As `read_stages` gives them.
    layer_decay : float
        Above 0, at most 1; with 1 all layers learn alike.
    decay_vectors : bool
        Whether weight decay shrinks biases, norms and the like too.
    hidden : Collection[str]
        Parameters to group apart, see `hidden_matrices`.

    Returns
    -------
    list[ParameterGroup]
        Every parameter in one of them, in the model's order.

    Raises
    ------
    InputError
        If a rule or a stage matches nothing, or there are no layers to decay.

    Example
    -------
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> groups = group_parameters(model, [{"match": "1", "lr_scale": 0.1}])
    >>> [(group.name, len(group.parameters), group.scale) for group in groups]
    [('others', 2, 1.0), ('1', 2, 0.1)]
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
        for name in select(pattern, parameters, "stages")
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
    """Return whether a parameter is a vector, or several that no matrix multiplies.

    Arguments
    ---------
    name : str
        Its path.
    parameter : nn.Parameter
        A parameter.

    Returns
    -------
    bool
        True for biases, norms, scales and the like.

    Example
    -------
    >>> import torch
    >>> is_vector("memory.qk_scale", nn.Parameter(torch.ones(2, 8)))
    True
    """
    return parameter.ndim < 2 or name.rpartition(".")[2] in _VECTORS
