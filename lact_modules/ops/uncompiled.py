"""Keep a function out of compiled graphs."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def uncompiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a function that `torch.compile` is to call and not to look into.

    It is `torch.compiler.disable`, which imports the compiler wherever it is used: that
    takes a second, and fails for users without a name. This imports nothing until
    something is compiled.
    """

    @functools.wraps(function)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if torch.compiler.is_dynamo_compiling():
            return torch.compiler.disable(function)(*args, **kwargs)
        return function(*args, **kwargs)

    return run
