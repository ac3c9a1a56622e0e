"""The command line of ``train.py``: a YAML file, and keys with their values."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from lact_modules.errors import InputError
from lact_modules.former_keys import (
    COMMAND_LINE,
    in_present_references,
    present_key,
)
from lact_modules.training.option.kind.kinds import Kind
from lact_modules.training.option.kind.wording import shown
from lact_modules.training.option.run_options import DEPRECATED
from lact_modules.training.option.training_keys import Keys

_TAG = re.compile(r"!(new|name|apply|applyref|module|ref|copy|include|tuple)\b")
_TRUTH = {"true": True, "false": False}


@dataclass
class CommandLine:
    """What a user asks for: a YAML file, overrides by key, or help."""

    yaml_file: str | None = None
    overrides: dict[str, Any] = field(default_factory=dict)
    wants_help: bool = False


def read_command_line(words: Sequence[str], keys: Keys) -> CommandLine:
    """Read ``YAML --key value --key=value --flag``, in any order.

    Names are exact, and nothing in a value is taken for anything else.
    """
    line = CommandLine()
    left = list(words)
    while left:
        word = left.pop(0)
        if word in ("-h", "--help"):
            line.wants_help = True
        elif word.startswith("--"):
            name, is_joined, value = word[2:].partition("=")
            key = keys.get(present_key(name))
            kind = None if key is None else key.kind
            if name in DEPRECATED:
                raise InputError(f"--{name}: was removed; use {DEPRECATED[name]}")
            if name in line.overrides:
                raise InputError(f"--{name}: is given twice; give it once")
            if not is_joined:
                value = _next_value(name, left, kind, line.yaml_file is not None)
            line.overrides[name] = read_value(name, value, kind)
        elif line.yaml_file is None:
            line.yaml_file = word
        else:
            raise InputError(
                f"{word!r}: no option; expected --key value, with quotes around "
                "values that have spaces"
            )
    return line


def _next_value(name: str, left: list[str], kind: Kind | None, has_file: bool) -> str:
    is_last = not left or left[0].startswith("--")
    if kind is not None and kind.is_flag:
        # what follows may be the YAML file
        is_given = not is_last and (has_file or left[0].lower() in _TRUTH)
        return left.pop(0) if is_given else "true"
    if is_last:
        expected = f"; expected {kind.expected}" if kind is not None else ""
        raise InputError(f"--{name}: has no value{expected}")
    return left.pop(0)


def read_value(name: str, value: str, kind: Kind | None) -> Any:
    """Read a command line's value into a form that HyperPyYAML does not change.

    It is text where the kind is text, and YAML everywhere else; of an unknown key, text
    is what YAML would change.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"--{name} {value!r}: is not UTF-8; rename it") from error
    if _TAG.match(value):
        return _read_yaml(name, value)
    if kind is None:
        return _read_unknown(name, value)
    if kind.is_flag:
        return _TRUTH.get(value.lower(), value)
    if not kind.is_text:
        return _read_yaml(name, value)
    if value == "null":
        return None
    # a path may be one of several in a list, or begin with a bracket
    if value.startswith("["):
        with contextlib.suppress(InputError):
            items = _read_yaml(name, value)
            if kind.fits(items):
                return items
    return _quote(name, value)


def _read_unknown(name: str, value: str) -> Any:
    """Read YAML that begins as such or is no text, and all else as text."""
    if value.startswith(("[", "{", "'", '"')):
        return _read_yaml(name, value)
    with contextlib.suppress(InputError):
        read = _read_yaml(name, value)
        if not isinstance(read, str | Mapping):
            return read
    return _quote(name, value)


def _read_yaml(name: str, value: str) -> Any:
    value = in_present_references(value, COMMAND_LINE)
    try:
        node = YAML().compose(value)
        read = YAML().load(value)
    except (YAMLError, ValueError, RecursionError) as error:
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(
            f"--{name} {shown(value)}: is not YAML ({problem.splitlines()[0]})"
        ) from error
    rest = value[node.end_mark.index :].strip() if node is not None else value
    if rest or (read is None and not value.strip()):
        raise InputError(
            f"--{name} {shown(value)}: YAML takes {shown(rest)} for a comment; leave it"
        )
    return read


def _quote(name: str, value: str) -> str:
    if reference := re.search("<[^>]*>", value):
        raise InputError(
            f"--{name} {shown(value)}: {reference[0]} would be taken for a reference; "
            "expected text without"
        )
    return DoubleQuotedScalarString(value)
