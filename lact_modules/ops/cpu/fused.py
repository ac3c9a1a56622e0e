"""Functions that change each frame by itself, in one pass over memory on a CPU.

Each is written in PyTorch too. In C++ it is run for float32 where there is a compiler;
the gradients, of any order, are the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lact_modules.ops.cpu.native import call_native, is_for_native, load_native

Tensors = Tensor | tuple[Tensor, ...]
Written = Callable[..., Tensors]
"""A function of tensors, some of which may be None, and other values, in PyTorch."""


def has_fused(x: Tensor, source: str = "fused.cpp") -> bool:
    """Return whether C++ of `source` is to be run on a tensor, see `is_for_native`."""
    return is_for_native(x) and load_native(source) is not None


def call_fused(
    function: str,
    tensors: Sequence[Tensor | None],
    sizes: Sequence[int],
    source: str = "fused.cpp",
) -> None:
    """Call a function in C++, for which `has_fused` is true; without the threads."""
    library = load_native(source)
    assert library is not None
    call_native(library, function, tensors, sizes)


def in_rows(x: Tensor) -> Tensor:
    """Space frames (B, T, C) equally, as in a part of a wider projection.

    Before a `torch.autograd.Function` is applied: gradients of gradients would not find
    their way back through a copy that is made within.
    """
    is_even = x.stride(2) == 1 and x.stride(0) == x.shape[1] * x.stride(1)
    return x if is_even else x.contiguous()


def differentiate(
    written: Written, inputs: Sequence[Any], ctx: Any, grad: Tensors
) -> tuple[Tensor | None, ...]:
    """Compute gradients that can be differentiated themselves, one for each input.

    `ctx` is of a `torch.autograd.Function` with the same inputs, `grad` of its output,
    or of each.
    """
    needed = ctx.needs_input_grad
    wanted = [each for each, is_needed in zip(inputs, needed, strict=True) if is_needed]
    found = iter(torch.autograd.grad(written(*inputs), wanted, grad, create_graph=True))
    return tuple(next(found) if is_needed else None for is_needed in needed)
