"""Numbers that a user gives to a decoder."""

import math
from typing import Any

from lact_modules.errors import InputError

MAX_BEAM = 10_000
"""Most hypotheses of a search; more fill the memory and find nothing better."""


def check_number(
    name: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    whole: bool = False,
) -> None:
    """Raise InputError unless a number is finite and in its range.

    `least` and `most` are included, `above` and `below` are not.
    """
    is_number = isinstance(value, int if whole else int | float)
    fits = is_number and not isinstance(value, bool) and math.isfinite(value)
    wanted = ["a whole number" if whole else "a finite number"]
    for words, limit, is_within in (
        ("at least", least, lambda limit: value >= limit),
        ("at most", most, lambda limit: value <= limit),
        ("above", above, lambda limit: value > limit),
        ("below", below, lambda limit: value < limit),
    ):
        if limit is not None:
            wanted.append(f"{words} {limit:g}")
            fits = fits and is_within(limit)
    if not fits:
        raise InputError(f"{name} {value}: expected {', '.join(wanted)}")
