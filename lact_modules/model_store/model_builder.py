"""Build a model from plain data, trusting none of it."""

import functools
import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from lact_modules.errors import InputError
from lact_modules.layers.dynamic_chunking.routers import refuse_old_weights
from lact_modules.model_store.blueprint import without_weights
from lact_modules.model_store.model_arguments import check_arguments
from lact_modules.renamed import with_present_names

PACKAGES = ("ops", "layers", "encoders", "frontends", "decoders")
"""Sub-packages of ``lact_modules`` whose classes a model may be built of."""

TORCH_CLASSES = frozenset(
    ["GELU", "GroupNorm", "Identity", "LayerNorm", "ReLU", "RMSNorm", "SiLU", "Tanh"]
)
"""Classes of ``torch.nn`` that a model may be built of."""

OTHER_CLASSES = frozenset(
    ["speechbrain.lobes.models.transformer.TransformerLM.TransformerLM"]
)
"""Classes of other projects that a model may be."""

FUNCTIONS = frozenset(
    f"lact_modules.encoders.layouts.{name}"
    for name in ("alternate", "divide", "upper_blocks")
)
"""Functions that a model may be given."""

_OWN_CLASS = re.compile(
    rf"lact_modules\.(?:{'|'.join(PACKAGES)})(?:\.[a-z][a-z0-9_]*)*\.[A-Z][A-Za-z0-9]*"
)


def build_model(description: Any) -> nn.Module:
    """Build, with fresh weights, what `read_hyperparameter` has read.

    Only classes that are defined in this package's :data:`PACKAGES`, those in
    :data:`TORCH_CLASSES` and in :data:`OTHER_CLASSES`, and :data:`FUNCTIONS` are looked
    up; no other module is imported.
    """
    try:
        model = _build(description, labelled={})
    except RecursionError:
        raise InputError("model: described by a tree that is nested too deep") from None
    if not isinstance(model, nn.Module):
        raise InputError(f"model: a {type(model).__name__} is described, not a module")
    return model


def build_trained_model(description: Any, weights: Mapping[str, Tensor]) -> nn.Module:
    """Build a model and load weights, if their names and shapes are the model's.

    The model is on the CPU, in evaluation mode, without gradients. The comparison is
    made without allocating it: a description that asks for huge layers fails on it.
    """
    with without_weights():
        blueprint = build_model(description)
    _check_shapes(blueprint.state_dict(), weights)
    model = build_model(description)
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


def _build(node: Any, labelled: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_build(item, labelled) for item in node]
    if not isinstance(node, dict):
        return node
    if "same" in node:
        label = str(node["same"])
        if label not in labelled:
            raise InputError(f"model: nothing before it is labelled {label!r}")
        return labelled[label]
    if "class" in node:
        kind = _find_class(node["class"])
        built = _construct(kind, kind, node, labelled)
        if "label" in node:
            labelled[str(node["label"])] = built
        return built
    if "partial" in node:
        kind = _find_class(node["partial"])
        partial = functools.partial(functools.partial, kind)
        return _construct(kind, partial, node, labelled)
    return {key: _build(value, labelled) for key, value in node.items()}


def _construct(
    kind: Callable[..., Any],
    factory: Callable[..., Any],
    node: dict[str, Any],
    labelled: dict[str, Any],
) -> Any:
    arguments = _build(node.get("arguments"), labelled)
    positional = arguments if isinstance(arguments, list) else []
    named = arguments if isinstance(arguments, dict) else {}
    # who loads a trained model cannot change what it is called there: no warning
    named = with_present_names(kind, named)
    name = node.get("class") or node.get("partial")
    try:
        check_arguments(kind, positional, named)
        return factory(*positional, **named)
    except InputError as error:
        raise InputError(f"model: {name}: {error}") from error
    # Any error of a constructor is the fault of the foreign arguments.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"model: {name} cannot be built ({reason})") from error


def _find_class(path: Any) -> Callable[..., Any]:
    """Look a class up, or a function, by its dotted path, if that is allowed."""
    package, _, name = str(path).rpartition(".")
    if package == "torch.nn" and name in TORCH_CLASSES:
        return getattr(nn, name)
    if str(path) in OTHER_CLASSES | FUNCTIONS:
        return getattr(importlib.import_module(package), name)
    if _OWN_CLASS.fullmatch(str(path)):
        try:
            found = getattr(importlib.import_module(package), name, None)
        except ModuleNotFoundError:
            found = None
        # A class that the module merely imported is not this package's.
        if isinstance(found, type) and _is_own(found):
            return found
        raise InputError(f"model: there is no class {path!r} in this version")
    raise InputError(
        f"model: class {path!r} may not be built; only those of lact_modules."
        f"{{{','.join(PACKAGES)}}}, a few of torch.nn, and SpeechBrain's TransformerLM"
    )


def _is_own(found: type) -> bool:
    return _OWN_CLASS.fullmatch(f"{found.__module__}.{found.__name__}") is not None


def _check_shapes(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    refuse_old_weights(given)
    advice = "the weights and the model's description do not belong together"
    for name in sorted(wanted.keys() - given.keys()):
        raise InputError(f"weights: tensor {name!r} is missing; {advice}")
    for name in sorted(given.keys() - wanted.keys()):
        raise InputError(f"weights: tensor {name!r} is not the model's; {advice}")
    for name, tensor in wanted.items():
        if tensor.shape != given[name].shape:
            raise InputError(
                f"weights: tensor {name!r} has shape {tuple(given[name].shape)}, the "
                f"model's has {tuple(tensor.shape)}; {advice}"
            )
