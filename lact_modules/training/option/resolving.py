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


def resolve(path: Path, source: str, overrides: Mapping[str, Any]) -> str:
    """Resolve references and includes, as HyperPyYAML does.

    An object that overrides give takes the place of another, wherever it stands;
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
        replaced = {
            name: value
            for name, value in given.items()
            if _is_object(value) and isinstance(known, dict) and name in known
        }
        # where it stood: what is made first draws first
        for name, value in replaced.items():
            known[name] = value
        rest = {name: given[name] for name in given if name not in replaced}
        join(known, rest, must_match)

    # it calls itself by its name in its module
    core.recursive_update = update
    try:
        yield
    finally:
        core.recursive_update = join


def _is_object(value: Any) -> bool:
    return isinstance(value, CommentedMap) and value.tag.value is not None


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
    """Have all be written line by line, without comments, which undo tags in lists."""
    if hasattr(value, "fa"):
        value.fa.set_block_style()
        value.ca.comment = None
        value.ca.items.clear()
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _set_blocks(each)
