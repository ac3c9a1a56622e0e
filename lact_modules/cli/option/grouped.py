"""Options by group: commands that share a group take it as one parameter."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from typing import Any


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Make an option of each field of those parameters that are dataclasses.

    The command gets instances of them; Typer sees flat parameters in their order.
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
