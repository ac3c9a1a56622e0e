"""Patterns that pick parameters of a model by the path of their module."""

import re
from collections.abc import Iterable

from lact_modules.errors import InputError

_INDEX = re.compile(r"\[(-?\d+|(?:-?\d+)?:(?:-?\d+)?)\]")


def select(pattern: str, names: Iterable[str], key: str) -> list[str]:
    """Find the parameters that a pattern means.

    A path means all that lies below it. ``*`` matches any part of a path, and an
    index or a slice as Python's picks from a list of modules.
    """
    names = list(names)
    expression = ""
    for i, part in enumerate(_INDEX.split(pattern)):
        if i % 2:
            expression += _choose(part, expression, names)
        else:
            expression += re.escape(part).replace(r"\*", ".*")
    wanted = re.compile(rf"{expression}(\..*)?")
    found = [name for name in names if wanted.fullmatch(name)]
    if not found:
        modules = dict.fromkeys(".".join(name.split(".")[:2]) for name in names)
        raise InputError(
            f"{key}: {pattern!r} matches no parameter of the model; there are "
            f"{', '.join(modules)}"
        )
    return found


def _choose(index: str, path: str, names: list[str]) -> str:
    """Turn an index into an expression for the modules of a list that it picks."""
    listed = (re.match(rf"{path}\.(\d+)\.", name) for name in names)
    numbers = sorted({int(match[1]) for match in listed if match})
    if ":" in index:
        bounds = [int(bound) if bound else None for bound in index.split(":")]
    else:
        # the last one's slice has no end; its end is not 0
        bounds = [int(index), int(index) + 1 or None]
    # an empty choice matches nothing
    chosen = "|".join(str(number) for number in numbers[slice(*bounds)]) or "(?!)"
    return rf"\.(?:{chosen})"
