"""Arguments and keys that were called otherwise in earlier versions."""

import functools
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T", bound=type)


def renamed(**names: str) -> Callable[[T], T]:
    """Let a class take arguments by their former names too, with a warning.

    YAML files and trained models keep the names of the version that they are from. A
    former name counts more than the present one: where a fragment has the one and the
    file that includes it the other, the file is the older and means to replace it.

    Arguments
    ---------
    **names : str
        The present name by the former one.

    Returns
    -------
    Callable[[T], T]
        Decorator of a class, which gets an attribute `former_names`.

    Example
    -------
    >>> @renamed(kept="keep_ratio")
    ... class Chunking:
    ...     def __init__(self, keep_ratio=0.5):
    ...         self.keep_ratio = keep_ratio
    >>> with warnings.catch_warnings(record=True):
    ...     Chunking(kept=0.25).keep_ratio
    0.25
    """

    def decorate(cls: Any) -> Any:
        construct = cls.__init__

        @functools.wraps(construct)
        def accept(self: Any, *args: Any, **kwargs: Any) -> None:
            given = {name: names[name] for name in kwargs if name in names}
            if given:
                warnings.warn(
                    f"{cls.__name__}: {_told(given)}", FutureWarning, stacklevel=2
                )
            construct(self, *args, **with_present_names(cls, kwargs))

        cls.__init__ = accept
        cls.former_names = names
        return cls

    return decorate


def with_present_names(made: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Rename arguments of a class or function to their present names.

    Arguments
    ---------
    made : Any
        The class or function; only one that is `renamed` has former names.
    arguments : Mapping[str, Any]
        Values by name, present or former.

    Returns
    -------
    dict[str, Any]
        Values by present name; that of a former name counts more.
    """
    former = getattr(made, "former_names", {})
    present = {name: value for name, value in arguments.items() if name not in former}
    changed = {former[name]: arguments[name] for name in former if name in arguments}
    return present | changed


def tell_former_names(where: str, names: Mapping[str, str], line: int = 1) -> None:
    """Warn once of all former names that a file, or a command line, has.

    Arguments
    ---------
    where : str
        Which one; the warning points there, not into the code.
    names : Mapping[str, str]
        The present name by the former one; empty: there is nothing to say.
    line : int
        Of the file, from 1.
    """
    # of the processes that torchrun starts, one says it
    if names and os.environ.get("RANK", "0") == "0":
        warnings.warn_explicit(_told(names), FutureWarning, where, line)


def _told(names: Mapping[str, str]) -> str:
    return ", ".join(f"{former} is now called {names[former]}" for former in names)
