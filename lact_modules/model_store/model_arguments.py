"""Numbers that a model's description may hold, checked before anything is built."""

import inspect
import math
from collections.abc import Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from lact_modules.errors import InputError

MAX_SIZE = 2**24
"""Of whole numbers; far beyond any model's."""

MAX_LAYERS = 1000
"""Of numbers of layers: each is built before weights are looked at."""


def check_arguments(
    factory: Callable[..., Any], positional: list[Any], named: dict[str, Any]
) -> None:
    """Refuse numbers that make no model, judged by the annotations of the factory.

    These are numbers that are not finite, counts that are negative, fractional or
    enormous, and probabilities outside 0 to 1. Raises TypeError if the factory does not
    take the arguments.
    """
    given = inspect.signature(factory).bind_partial(*positional, **named).arguments
    hints = _find_hints(factory)
    for name, value in given.items():
        # what is no number is left to the factory
        if isinstance(value, int | float) and not isinstance(value, bool):
            _check_number(name, value, hints.get(name, Any))


def _check_number(name: str, value: float, hint: Any) -> None:
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    counts_layers = name.endswith("layers")
    if counts_layers or (int in kinds and float not in kinds):
        most = MAX_LAYERS if counts_layers else MAX_SIZE
        if type(value) is not int or not 0 <= value <= most:
            raise InputError(f"{name}: {value}; give a whole number from 0 to {most}")
    if not math.isfinite(value):
        raise InputError(f"{name}: {value}; give a finite number")
    is_share = "dropout" in name or name.endswith(("_drop", "_prob"))
    if is_share and not 0 <= value <= 1:
        raise InputError(f"{name}: {value}; give a number from 0 to 1")


def _find_hints(factory: Callable[..., Any]) -> dict[str, Any]:
    try:
        is_class = isinstance(factory, type)
        return get_type_hints(factory.__init__ if is_class else factory)
    # of classes of other projects, whose annotations need not be known
    except (NameError, TypeError):
        return {}
