"""What hyperparameters may be: kinds of values, each with words for what it expects."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lact_modules.errors import InputError
from lact_modules.training.option.kind.wording import did_you_mean, shown

_LARGEST = sys.float_info.max
_INFINITE = (math.inf, -math.inf)


@dataclass(frozen=True)
class Kind:
    """Values of one kind.

    Arguments
    ---------
    expected : str
        Describes what fits, after "expected".
    fits : Callable[[Any], bool]
        Returns whether a value does; raises an `InputError` where it knows more.
    is_text : bool
        Whether all text fits, so that it needs no quotes on a command line.
    is_flag : bool
        Whether a command line may omit ``true``.
    entries : Mapping[str, Kind] | None
        Kinds of a mapping's values by key.
    """

    expected: str
    fits: Callable[[Any], bool]
    is_text: bool = False
    is_flag: bool = False
    entries: Mapping[str, "Kind"] | None = None

    def check(self, name: str, value: Any) -> None:
        """Refuse a value of another kind; ``name`` has dots where it is nested."""
        try:
            fits = self.fits(value)
        except InputError as error:
            reason = str(error).removeprefix(f"{name}: ").removeprefix(f"{value}: ")
            raise InputError(f"--{name} {shown(value)}: {reason}") from error
        if not fits:
            raise InputError(f"--{name} {shown(value)}: expected {self.expected}")
        if self.entries is not None and isinstance(value, Mapping):
            for key, inner in value.items():
                if key not in self.entries:
                    hint = did_you_mean(str(key), self.entries)
                    raise InputError(f"--{name}: no key {key!r}; {hint}")
                self.entries[key].check(f"{name}.{key}", inner)


def whole(at_least: int | None = None, at_most: int | None = None) -> Kind:
    """Want a whole number within bounds."""
    words = {
        (True, True): "",
        (False, True): f" of {at_least} or more",
        (False, False): f" from {at_least} to {at_most}",
    }
    within = number(at_least, at_most)

    def fits(value: Any) -> bool:
        return isinstance(value, int) and within.fits(value)

    return Kind(f"a whole number{words[at_least is None, at_most is None]}", fits)


def number(
    at_least: float | None = None,
    at_most: float | None = None,
    *,
    above: float | None = None,
    below: float | None = None,
    or_inf: bool = False,
) -> Kind:
    """Want a number within bounds, finite unless `or_inf`."""

    def fits(value: Any) -> bool:
        is_one = is_number(value, int | float)
        # a whole number may have more digits than a float can hold
        fits_float = is_one and (
            abs(value) <= _LARGEST or (or_inf and value in _INFINITE)
        )
        return fits_float and not (
            (at_least is not None and value < at_least)
            or (at_most is not None and value > at_most)
            or (above is not None and value <= above)
            or (below is not None and value >= below)
        )

    bounds = {"of at least": at_least, "above": above}
    bounds |= {"of at most": at_most, "below": below}
    if at_least is not None and at_most is not None:
        expected = f"from {at_least:g} to {at_most:g}"
    else:
        given = {word: bound for word, bound in bounds.items() if bound is not None}
        expected = " and ".join(f"{word} {bound:g}" for word, bound in given.items())
    return Kind(f"a number {expected}".strip() + (", or .inf" if or_inf else ""), fits)


def is_number(value: Any, kind: Any) -> bool:
    """Return whether a value is a number and no truth value; NaN is none."""
    is_one = isinstance(value, kind) and not isinstance(value, bool)
    return is_one and value == value


def one_of(*names: str) -> Kind:
    """Want one of some names."""
    # a list cannot be hashed
    return Kind(f"one of {', '.join(names)}", lambda value: value in list(names))


def list_of(kind: Kind, plural: str, at_least: int = 0) -> Kind:
    """Expect a list of values of a kind."""

    def fits(value: Any) -> bool:
        is_list = isinstance(value, list | tuple) and len(value) >= at_least
        return is_list and all(kind.fits(item) for item in value)

    return Kind(f"a list of {plural}", fits)


def pair(kind: Kind, expected: str) -> Kind:
    """Want two values, the second no smaller than the first."""

    def fits(value: Any) -> bool:
        is_pair = isinstance(value, list | tuple) and len(value) == 2
        return is_pair and all(map(kind.fits, value)) and value[0] <= value[1]

    return Kind(expected, fits)


def maybe(kind: Kind) -> Kind:
    """Expect a value of a kind, or null."""

    def fits(value: Any) -> bool:
        return value is None or kind.fits(value)

    return Kind(f"{kind.expected}, or null", fits, kind.is_text, False, kind.entries)


def either(first: Kind, second: Kind) -> Kind:
    """Expect a value of one kind or of another."""

    def fits(value: Any) -> bool:
        return first.fits(value) or second.fits(value)

    return Kind(f"{first.expected}, or {second.expected}", fits, first.is_text)


def mapping(entries: Mapping[str, Kind] | None = None, expected: str = "") -> Kind:
    """Want a mapping, with `entries` alone unless they are None."""
    names = ", ".join(entries or {})
    return Kind(
        expected or (f"a mapping with any of {names}" if names else "a mapping"),
        lambda value: isinstance(value, Mapping),
        entries=entries,
    )


def checked(expected: str, read: Callable[[Any], object], *types: type) -> Kind:
    """Want what `read` takes, of one of `types`; it raises an error if not."""

    def fits(value: Any) -> bool:
        if types and not isinstance(value, types):
            return False
        try:
            read(value)
        except InputError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError):
            return False
        return True

    return Kind(expected, fits)


def having(expected: str, *attributes: str) -> Kind:
    """Want an object with some attributes, such as ``!new:`` makes."""
    return Kind(expected, lambda value: all(hasattr(value, a) for a in attributes))


def _must_exist(path: str) -> bool:
    if not Path(path).exists():
        raise InputError(f"{path}: no such file or folder")
    return True


text = Kind(
    "text", lambda value: isinstance(value, str) and value.strip() != "", is_text=True
)
existing = Kind("a path", lambda value: text.fits(value) and _must_exist(value), True)
flag = Kind("true or false", lambda value: isinstance(value, bool), is_flag=True)
share = number(0, 1)
texts = list_of(text, "texts, such as [a, b]")
text_or_texts: Kind = either(text, texts)
made = Kind(
    "an object, made by !new: or !name:",
    lambda value: not isinstance(value, str | int | float | Sequence | Mapping | None),
)
function = Kind("a function or class, given by !name:", callable)
