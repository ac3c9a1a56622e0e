"""Keys of recipes that were called otherwise in earlier versions."""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lact_modules.errors import InputError
from lact_modules.renamed import warn_of_former_names

V = TypeVar("V")

FORMER_KEYS = {
    "arm": "system",
    "stages": "unfreezing_stages",
    "stream_utterances": "long_form_utterances",
    "stream_seconds": "long_form_seconds",
    "stream_order": "long_form_order",
    "stream_gap_seconds": "long_form_gap_seconds",
    "last_stage_seconds": "long_form_finetune_seconds",
    "last_stage_epochs": "long_form_finetune_epochs",
    "last_stage_order": "long_form_finetune_order",
    "last_stage_lr_scale": "long_form_finetune_lr_scale",
}
"""The present name by the former one."""

COMMAND_LINE = "command line"

_FORMER = rf"\b(?P<name>{'|'.join(FORMER_KEYS)})\b"
_MENTION, _REFERENCE = re.compile(_FORMER), re.compile(f"<{_FORMER}")
_TAGS_OF_REFERENCES = ("!ref", "!copy")


class _Mention(NamedTuple):
    """A former name in YAML: where it stands in the text, and on which line from 1."""

    name: str
    start: int
    line: int


def present_key(name: str) -> str:
    """Return what a key, dotted if it is one within another, is called now."""
    first, dot, rest = name.partition(".")
    return FORMER_KEYS.get(first, first) + dot + rest


def with_present_keys(
    values: Mapping[str, V], where: str | None = None
) -> dict[str, V]:
    """Rename keys to their present names; a warning names ``where``, unless None."""
    renamed = {name: present_key(name) for name in values if present_key(name) != name}
    for former, present in renamed.items():
        _refuse_both(former, present, values, where or "keys")
    if where is not None:
        dashes = "--" if where == COMMAND_LINE else ""
        names = {dashes + former: dashes + renamed[former] for former in renamed}
        warn_of_former_names(where, names)
    return {renamed.get(name, name): value for name, value in values.items()}


def in_present_keys(text: str, where: str | None = None) -> str:
    """Rename the keys of a YAML file, and references to them; keep its lines.

    A text that is no YAML is returned as it is: who reads it says what is wrong.
    """
    root = _composed(text)
    pairs = root.value if isinstance(root, MappingNode) else []
    keys = {key.value: key for key, _ in pairs if isinstance(key, ScalarNode)}
    found = _references(text, root)
    for former, present in FORMER_KEYS.items():
        if former in keys:
            _refuse_both(former, present, keys, where or "keys")
            found += _mentions(text, keys[former], _MENTION)
    return _with_present_names(text, found, where)


def in_present_references(text: str, where: str) -> str:
    """Rename the keys that a value in YAML refers to, and none in itself."""
    return _with_present_names(text, _references(text, _composed(text)), where)


def _composed(text: str) -> Node | None:
    if not _MENTION.search(text):
        return None
    try:
        return YAML().compose(text)
    except (YAMLError, RecursionError):
        return None


def _references(text: str, root: Node | None) -> list[_Mention]:
    """Find former names that `!ref` and `!copy` refer to, at any depth."""
    found: list[_Mention] = []
    left, seen = [root], set[int]()
    while left:
        node = left.pop()
        # an alias is the node that it stands for
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, MappingNode):
            left += [each for pair in node.value for each in pair]
        elif isinstance(node, SequenceNode):
            left += node.value
        elif isinstance(node, ScalarNode) and node.tag in _TAGS_OF_REFERENCES:
            found += _mentions(text, node, _REFERENCE)
    return found


def _mentions(text: str, node: Node, pattern: re.Pattern[str]) -> list[_Mention]:
    start, end = node.start_mark, node.end_mark
    return [
        _Mention(match["name"], match.start("name"), start.line + 1)
        for match in pattern.finditer(text, start.index, end.index)
    ]


def _with_present_names(text: str, found: list[_Mention], where: str | None) -> str:
    found = sorted(found, key=lambda mention: mention.start)
    if found and where is not None:
        names = {mention.name: FORMER_KEYS[mention.name] for mention in found}
        warn_of_former_names(where, names, found[0].line)
    for name, start, _ in reversed(found):
        text = text[:start] + FORMER_KEYS[name] + text[start + len(name) :]
    return text


def _refuse_both(
    former: str, present: str, names: Mapping[str, object], where: str
) -> None:
    if present in names:
        raise InputError(
            f"{where}: {former!r} is the former name of {present!r}, and both are "
            f"given; keep {present!r}"
        )
