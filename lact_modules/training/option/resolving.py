"""From a recipe's file and overrides to the text that its objects are made from."""

import contextlib
import io
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from hyperpyyaml import core
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from lact_modules.errors import InputError
from lact_modules.renamed import former_names_of, warn_of_former_arguments


def resolve(path: Path, source: str, overrides: Mapping[str, Any]) -> str:
    """Resolve references and includes, as HyperPyYAML does.

    An object that overrides give takes the place of another, anywhere in the file;
    HyperPyYAML would keep the class of the one, and join the arguments of both.
    """
    overrides = deepcopy(dict(overrides))
    known = YAML().load(source)
    if _has_objects_in_lists([known, overrides]):
        source = _in_blocks(known)
        _set_blocks(overrides)
    stream = io.StringIO(source)
    stream.name = str(path)
    with _replacing():
        return core.resolve_references(stream, overrides).read()


@contextlib.contextmanager
def _replacing() -> Iterator[None]:
    """Let objects replace others, in files that are included too."""
    join = core.recursive_update

    def update(known: Any, given: Mapping[str, Any], must_match: bool = False) -> None:
        names = former_names_of(_tag(known))
        if former := _take_former(known, given, names):
            # present names beside former ones are of a later file
            update(known, former, must_match)
            given = {name: given[name] for name in given if name not in names}
        replaced = {
            name: value
            for name, value in given.items()
            if _is_object(value) and isinstance(known, dict) and name in known
        }
        # in the same place: objects made first draw first
        for name, value in replaced.items():
            known[name] = value
        rest = {name: given[name] for name in given if name not in replaced}
        _check_keys(known, rest)
        join(known, rest, must_match)

    # it calls itself by its name in its module
    core.recursive_update = update
    try:
        yield
    finally:
        core.recursive_update = join


def _check_keys(known: Any, given: Mapping[str, Any]) -> None:
    """Refuse keys for what has none, which HyperPyYAML answers with all overrides."""
    for name, value in given.items():
        old = known.get(name, {}) if isinstance(known, Mapping) else {}
        if isinstance(value, Mapping) and not isinstance(old, Mapping):
            found = "null" if old is None else old
            raise InputError(
                f"{name}: {dict(value)}: cannot set keys of {found}; give another value"
            )


def _take_former(
    known: Any, given: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    """Rename the arguments known, in place; return those given, in their new names."""
    found = [*given, *(known if names else ())]
    owner = _tag(known).rpartition(".")[2]
    warn_of_former_arguments(owner, {n: names[n] for n in found if n in names})
    for place, name in enumerate([*known] if names else ()):
        if name in names:
            known.insert(place, names[name], known.pop(name))
    return {names[name]: given[name] for name in given if name in names}


def _tag(value: Any) -> str:
    tag = value.tag.value if isinstance(value, CommentedMap) else None
    return tag or ""


def _is_object(value: Any) -> bool:
    return bool(_tag(value))


def _has_objects_in_lists(value: Any, is_in_list: bool = False) -> bool:
    """Find objects in lists: on one line, ruamel.yaml drops braces of one argument."""
    if isinstance(value, dict):
        found = is_in_list and _is_object(value)
        return found or any(_has_objects_in_lists(each) for each in value.values())
    if isinstance(value, list):
        return any(_has_objects_in_lists(each, True) for each in value)
    return False


def _in_blocks(known: Any) -> str:
    _set_blocks(known)
    stream = io.StringIO()
    YAML().dump(known, stream)
    return stream.getvalue()


def _set_blocks(value: Any) -> None:
    """Write all line by line, without comments, which undo tags in lists."""
    if hasattr(value, "fa"):
        value.fa.set_block_style()
        value.ca.comment = None
        value.ca.items.clear()
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _set_blocks(each)
