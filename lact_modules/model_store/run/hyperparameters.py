"""Read a run's ``hyperparams.yaml`` as plain data: nothing in it is imported or run."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import SafeLoader
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from lact_modules.errors import InputError
from lact_modules.model_store.run.settings_file import read_settings_text


def read_hyperparameter(path: str | Path, key: str, default: Any = None) -> Any:
    """Read one top-level value of a HyperPyYAML file, leaving all others alone.

    ``!new:path`` becomes ``{"class": path, "arguments": ...}`` and ``!name:path``
    becomes ``{"partial": path, "arguments": ...}``. An object that is in several
    places is spelled out once, with a ``"label"``, and then ``{"same": label}``. Tuples
    become lists. Tags below the key that run code (``!apply:``, ``!module:``) or are
    not resolved (``!ref``, ``!include:``) are refused.
    """
    text = read_settings_text(path)
    try:
        loader = _PlainLoader(text)
        root = loader.get_single_node()
        if not isinstance(root, MappingNode):
            raise InputError("the file is not a mapping of hyperparameters")
        for key_node, value_node in root.value:
            if key_node.value == key:
                value = loader.construct_object(value_node, deep=True)
                return _to_json(value, first_seen={})
    except (YAMLError, RecursionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: cannot be read as YAML ({reason})") from error
    except InputError as error:
        raise InputError(f"{path}: {key}: {error}") from None
    return default


class _PlainLoader(SafeLoader):
    """YAML loader to which HyperPyYAML's tags are text."""


def _construct_class(loader: SafeLoader, path: str, node: Node) -> dict[str, Any]:
    return {"class": path, "arguments": _construct_arguments(loader, node)}


def _construct_partial(loader: SafeLoader, path: str, node: Node) -> dict[str, Any]:
    return {"partial": path, "arguments": _construct_arguments(loader, node)}


def _construct_arguments(loader: SafeLoader, node: Node) -> Any:
    if isinstance(node, MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return {}


def _construct_tuple(loader: SafeLoader, node: Node) -> Any:
    inside = loader.construct_scalar(node)[1:-1]
    return _PlainLoader(f"[{inside}]").get_single_data()


def _refuse(loader: SafeLoader, suffix: str, node: Node) -> None:
    raise InputError(
        f"tag {node.tag} is refused; a model is described by !new: and !name: alone"
    )


_PlainLoader.add_multi_constructor("!new:", _construct_class)
_PlainLoader.add_multi_constructor("!name:", _construct_partial)
_PlainLoader.add_constructor("!tuple", _construct_tuple)
# Constructors are tried in order of registration: this one takes what is left.
_PlainLoader.add_multi_constructor("!", _refuse)
_PlainLoader.add_implicit_resolver("!tuple", re.compile(r"^\(.*\)$"), first="(")


def _to_json(value: Any, first_seen: dict[int, dict[str, Any]]) -> Any:
    """Copy a constructed tree; later sights of one object refer to the first."""
    if isinstance(value, dict):
        if id(value) in first_seen:
            label = str(list(first_seen).index(id(value)))
            first_seen[id(value)]["label"] = label
            return {"same": label}
        copy: dict[str, Any] = {}
        if "class" in value:
            first_seen[id(value)] = copy
        copy.update((str(k), _to_json(v, first_seen)) for k, v in value.items())
        return copy
    if isinstance(value, list):
        return [_to_json(item, first_seen) for item in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise InputError(f"{value!r}: a {type(value).__name__} cannot stand in a model")
