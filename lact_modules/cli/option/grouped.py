"""Options by group: commands that share a group take it as one parameter."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from typing import Any


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Make an option of each field of those parameters that are dataclasses.

    Arguments
    ---------
    command : Callable[..., None]
        Typer's function; a parameter whose type is a dataclass of options gets an
        instance.

    Returns
    -------
    Callable[..., None]
        The same command with flat parameters, in their order, for Typer.

    Raises
    ------
    ValueError
        If two groups have an option of the same name.

    Example
    -------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Size:
    ...     width: int = 2
    ...     height: int = 3
    >>> @grouped
    ... def area(unit: str, *, size: Size) -> None:
    ...     print(size.width * size.height, unit)
    >>> inspect.signature(area)
    <Signature (*, unit: str, width: int = 2, height: int = 3)>
    >>> area(unit="m2", width=4, height=3)
    12 m2
    """
    parameters = inspect.signature(command).parameters
    groups = {
        name: inspect.signature(each.annotation).parameters
        for name, each in parameters.items()
        if isinstance(each.annotation, type) and is_dataclass(each.annotation)
    }
    flat = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, each in parameters.items()
        for option in (groups[name].values() if name in groups else [each])
    ]

    @wraps(command)
    def flattened(**values: Any) -> None:
        whole = {
            name: parameters[name].annotation(**{key: values.pop(key) for key in keys})
            for name, keys in groups.items()
        }
        command(**values, **whole)

    flattened.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    return flattened
