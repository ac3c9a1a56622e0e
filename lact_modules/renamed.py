"""Arguments and keys that had other names in earlier versions."""

import functools
import os
import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T", bound=type)


FORMER_ARGUMENTS: dict[str, dict[str, str]] = {
    "Encoder": {"chunks": "streaming_chunks", "stages": "block_split"},
    "DynamicChunking": {"kept": "keep_ratio", "full_rate": "upsample"},
    "DynamicChunks": {
        "lefts": "left_contexts",
        "full_share": "full_context_prob",
        "segment": "backprop_frames",
    },
}
"""Of classes of this package: the present name by the former one."""


def renamed(cls: T) -> T:
    """Let a class take arguments by their former names too, with a warning.

    YAML files and trained models keep the names of the version that they are from. A
    former name counts more than the present one: where a fragment has the one and the
    file that includes it the other, the file is the older and means to replace it.

    Arguments
    ---------
    cls : T
        One of `FORMER_ARGUMENTS`.

    Returns
    -------
    T
        The same, with an attribute `former_names`.

    Example
    -------
    >>> @renamed
    ... class DynamicChunking:
    ...     def __init__(self, keep_ratio=0.5):
    ...         self.keep_ratio = keep_ratio
    >>> with warnings.catch_warnings(record=True):
    ...     DynamicChunking(kept=0.25).keep_ratio
    0.25
    """
    made: Any = cls
    names, construct = FORMER_ARGUMENTS[cls.__name__], made.__init__

    @functools.wraps(construct)
    def accept(self: Any, *args: Any, **kwargs: Any) -> None:
        given = {name: names[name] for name in kwargs if name in names}
        warn_of_former_arguments(cls.__name__, given, stacklevel=3)
        construct(self, *args, **with_present_names(cls, kwargs))

    made.__init__, made.former_names = accept, names
    return cls


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


def former_names_of(tag: str | None) -> Mapping[str, str]:
    """Return the former names of arguments of what a tag of HyperPyYAML makes.

    Arguments
    ---------
    tag : str | None
        Of objects of other packages, and without a tag, none is known.

    Returns
    -------
    Mapping[str, str]
        The present name by the former one.

    Example
    -------
    >>> former_names_of("!new:lact_modules.encoders.Encoder")["chunks"]
    'streaming_chunks'
    """
    maker, _, path = (tag or "").partition(":")
    if maker not in ("!new", "!name") or not path.startswith("lact_modules."):
        return {}
    return FORMER_ARGUMENTS.get(path.rpartition(".")[2], {})


def warn_of_former_arguments(
    owner: str, names: Mapping[str, str], stacklevel: int = 2
) -> None:
    """Warn of the former names that arguments of a class are given by, if any are."""
    if names:
        message = f"{owner}: {_describe(names)}"
        warnings.warn(message, FutureWarning, stacklevel=stacklevel)


def warn_of_former_names(where: str, names: Mapping[str, str], line: int = 1) -> None:
    """Warn once of all former names that a file, or a command line, has.

    Arguments
    ---------
    where : str
        Which one; the warning points there, not into the code.
    names : Mapping[str, str]
        The present name by the former one; empty: no warning.
    line : int
        Of the file, from 1.
    """
    # of the processes that torchrun starts, one warns
    if names and os.environ.get("RANK", "0") == "0":
        warnings.warn_explicit(_describe(names), FutureWarning, where, line)


def _describe(names: Mapping[str, str]) -> str:
    return ", ".join(f"{former} is now called {names[former]}" for former in names)
