"""Keys of recipes that were called otherwise in earlier versions."""

import re
from collections.abc import Mapping
from typing import TypeVar

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

_ANY = "|".join(FORMER_KEYS)
# keys at the top of a file stand at the beginning of a line, and nothing else does
_KEY = re.compile(rf"^(?P<quote>[\"']?)(?P<name>{_ANY})(?P=quote)(?=\s*:)", re.M)
_REFERENCE = re.compile(rf"<({_ANY})\b")


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
    """Rename the keys of a YAML file, and references to them; keep its lines."""
    found = {match["name"]: match.start() for match in _KEY.finditer(text)}
    if not found:
        return text
    names = dict.fromkeys(re.findall(r"^[\"']?(\w+)[\"']?\s*:", text, re.M))
    for former in found:
        _refuse_both(former, FORMER_KEYS[former], names, where or "keys")
    if where is not None:
        line = text.count("\n", 0, min(found.values())) + 1
        warn_of_former_names(where, {name: FORMER_KEYS[name] for name in found}, line)
    text = _KEY.sub(lambda m: f"{m['quote']}{FORMER_KEYS[m['name']]}{m['quote']}", text)
    return _REFERENCE.sub(lambda match: f"<{FORMER_KEYS[match[1]]}", text)


def _refuse_both(
    former: str, present: str, names: Mapping[str, object], where: str
) -> None:
    if present in names:
        raise InputError(
            f"{where}: {former!r} is the former name of {present!r}, and both are "
            f"given; keep {present!r}"
        )
