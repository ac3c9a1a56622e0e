"""Models without weights: their shapes alone, at no cost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_RANDOM_FILLS = frozenset(
    getattr(Tensor, f"{distribution}_")
    for distribution in (
        *("bernoulli", "cauchy", "exponential", "geometric"),
        *("log_normal", "normal", "random", "uniform"),
    )
)


@contextmanager
def without_weights() -> Iterator[None]:
    """Make tensors without values within a ``with`` block, and initialize none.

    Arithmetic with tensors of PyTorch's ``meta`` device, to fill them at random too,
    imports its compiler, which takes longer than all else that a short command does.
    """
    with torch.device("meta"), _Uninitialized():
        yield


class _Uninitialized(TorchFunctionMode):
    """Leaves tensors as they are that would be initialized."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of PyTorch's, unless it fills a tensor with values."""
        kwargs = kwargs or {}
        if func in _RANDOM_FILLS:
            return args[0]
        if "out" in kwargs:
            return kwargs["out"]
        # of these some come here, and others call what is above
        if getattr(func, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"]
        return func(*args, **kwargs)
