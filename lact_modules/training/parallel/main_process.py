"""Processes of a training: how many, and how the main one decides for all."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from speechbrain.utils.distributed import ddp_broadcast, if_main_process

from lact_modules.errors import InputError

Result = TypeVar("Result")


def num_processes() -> int:
    """Return how many processes train together, from torchrun's environment."""
    return int(os.environ.get("WORLD_SIZE", 1))


def from_main(run: Callable[..., Result], *args: Any, **arguments: Any) -> Result:
    """Run something in the main process; all processes get its result, or its error."""
    result: Any = None
    fault: InputError | OSError | None = None
    if if_main_process():
        try:
            result = run(*args, **arguments)
        except (InputError, OSError) as error:
            fault = error
    result, fault = ddp_broadcast((result, fault))
    if fault is not None:
        raise fault
    return result
