"""A run's ``hyperparams.yaml`` as flat text, so that runs can be compared."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from lact_modules.errors import InputError
from lact_modules.former_keys import present_key
from lact_modules.model_store.run.settings_file import read_settings_text
from lact_modules.renamed import former_names_of
from lact_modules.training.checkpointing.option_changes import INDIFFERENT

Settings = dict[str, str]
"""Values by dotted key."""

# Whose values differ between runs of one model, or change nothing that is measured.
_NEUTRAL = ("seed", "__set_seed", *INDIFFERENT)


def read_settings(path: str | Path) -> Settings:
    """Flatten a run's hyperparameters; nothing in the file is imported or run.

    The class of an object is listed under the object's own key. Seed, folders, logging
    intervals and keys without a value are omitted; other paths shrink to their last
    part. An object that is referred to again is not repeated. Keys have their present
    names.
    """
    text = read_settings_text(path)
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read as YAML ({reason})") from error
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{path}: not a mapping of hyperparameters")
    return {
        present_key(key): value
        for key, value in _flatten(root, "", set())
        # a key without a value means the same as a missing one
        if value and key.partition(".")[0] not in _NEUTRAL
    }


def _flatten(node: yaml.Node, key: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    if isinstance(node, yaml.ScalarNode):
        yield key, _text(node)
        return
    if id(node) in seen:
        return
    seen.add(id(node))
    tag = node.tag if node.tag.startswith("!") else ""
    children: Sequence[tuple[str, yaml.Node]]
    if isinstance(node, yaml.MappingNode):
        names = former_names_of(tag)
        children = [(names.get(n.value, n.value), value) for n, value in node.value]
    elif all(isinstance(item, yaml.ScalarNode) for item in node.value):
        yield key, f"{tag}[{', '.join(map(_text, node.value))}]"
        return
    else:
        children = [(str(index), item) for index, item in enumerate(node.value)]
    if tag:
        yield key, tag
    for name, child in children:
        yield from _flatten(child, f"{key}.{name}" if key else name, seen)


def _text(node: yaml.ScalarNode) -> str:
    tag = node.tag if node.tag.startswith("!") else ""
    # every run has folders of its own
    name = node.value.rpartition("/")[2]
    return "" if name in ("null", "~") else tag + name


def section(settings: Settings, names: Sequence[str]) -> Settings:
    """Take the settings below some top-level keys."""
    return {
        key: value for key, value in settings.items() if key.partition(".")[0] in names
    }


def differing(settings: Mapping[str, Settings]) -> dict[str, dict[str, str]]:
    """Return the values of keys that differ, by key and name; empty where missing."""
    keys = dict.fromkeys(key for one in settings.values() for key in one)
    rows = {
        key: {name: one.get(key, "") for name, one in settings.items()} for key in keys
    }
    return {key: row for key, row in rows.items() if len(set(row.values())) > 1}
