"""Arguments of the classes and functions that a recipe's YAML names."""

import inspect
import pydoc
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from lact_modules.errors import InputError
from lact_modules.training.option.kind.kinds import (
    Kind,
    flag,
    list_of,
    maybe,
    number,
    one_of,
    text,
    whole,
)
from lact_modules.training.option.kind.wording import did_you_mean

_MAKERS = ("!new:", "!name:", "!apply:")
_PLAIN = ((bool, flag), (int, whole()), (float, number(or_inf=True)), (str, text))


def check_arguments(tree: Mapping[str, Any]) -> None:
    """Refuse arguments that a class or function has not, or of another type.

    HyperPyYAML would report them when an object is made, and for ``!name:`` not even
    then.
    """
    for name, path, arguments in _made(tree, "", set()):
        function = pydoc.locate(path)
        if callable(function):
            _check_call(name, function, arguments)


def _made(
    node: Any, name: str, seen: set[int]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Find the objects to make: the key, the path of its class, its arguments."""
    if not isinstance(node, CommentedMap | CommentedSeq) or id(node) in seen:
        return
    seen.add(id(node))
    tag = node.tag.value or ""
    if isinstance(node, CommentedMap) and tag.startswith(_MAKERS):
        yield name, tag.partition(":")[2], node
    pairs = node.items() if isinstance(node, CommentedMap) else enumerate(node)
    for key, inner in pairs:
        yield from _made(inner, f"{name}.{key}" if name else str(key), seen)


def _check_call(
    name: str, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> None:
    try:
        parameters = inspect.signature(function).parameters
    # some that are written in C have none
    except (ValueError, TypeError):
        return
    kinds = {parameter.kind for parameter in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    types = _types_of(function)
    former = getattr(function, "former_names", {})
    for given, value in arguments.items():
        argument = former.get(given, given)
        if argument not in parameters:
            hint = did_you_mean(str(argument), parameters, former=former)
            called = getattr(function, "__name__", function)
            raise InputError(f"--{name}: {called} has no argument {argument!r}; {hint}")
        kind = kind_of(types.get(argument))
        tag = getattr(value, "tag", None)
        if kind is not None and (tag is None or tag.value is None):
            kind.check(f"{name}.{given}", value)


def _types_of(function: Callable[..., Any]) -> dict[str, Any]:
    made = function.__init__ if inspect.isclass(function) else function
    try:
        return typing.get_type_hints(made)
    # names of types that are only known to a type checker
    except (NameError, TypeError, AttributeError):
        return {}


def kind_of(annotation: Any) -> Kind | None:
    """Find the kind of values of a type; None if YAML has none."""
    for plain, kind in _PLAIN:
        if annotation is plain:
            return kind
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return one_of(*inner)
    kinds = [kind_of(each) for each in inner if each not in (NoneType, ...)]
    # of unions only those with None
    if len(kinds) != 1 or kinds[0] is None:
        return None
    if origin in (Union, UnionType):
        return maybe(kinds[0])
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return list_of(kinds[0], f"values, each {kinds[0].expected}")
    return None
