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
    """Return whether C++ is to be run on a tensor, and those that come with it.

    Arguments
    ---------
    x : Tensor
        Any.
    source : str
        Where the function stands, see `load_native`.

    Returns
    -------
    bool
        As `is_for_native` says; False where nothing can be compiled.

    Example
    -------
    >>> has_fused(torch.zeros(1, dtype=torch.float64))
    False
    """
    return is_for_native(x) and load_native(source) is not None


def call_fused(
    function: str,
    tensors: Sequence[Tensor | None],
    sizes: Sequence[int],
    source: str = "fused.cpp",
) -> None:
    """Call a function in C++ for which `has_fused` is true.

    Arguments
    ---------
    function : str
        Its name.
    tensors : Sequence[Tensor | None]
        Its arrays.
    sizes : Sequence[int]
        Its numbers, but for the threads.
    source : str
        Where the function stands.
    """
    library = load_native(source)
    assert library is not None
    call_native(library, function, tensors, sizes)


def in_rows(x: Tensor) -> Tensor:
    """Space frames equally, as in a part of a wider projection.

    Before a `torch.autograd.Function` is applied: gradients of gradients would not
    find their way back through a copy that is made within.

    Arguments
    ---------
    x : Tensor
        (B, T, C)

    Returns
    -------
    Tensor
        The same, or a copy.

    Example
    -------
    >>> x = torch.zeros(2, 5, 12)
    >>> in_rows(x[..., :4]).stride(), in_rows(x[..., ::3]).stride()
    ((60, 12, 1), (20, 4, 1))
    """
    is_even = x.stride(2) == 1 and x.stride(0) == x.shape[1] * x.stride(1)
    return x if is_even else x.contiguous()


def differentiate(
    written: Written, inputs: Sequence[Any], ctx: Any, grad: Tensors
) -> tuple[Tensor | None, ...]:
    """Compute gradients that can be differentiated themselves.

    Arguments
    ---------
    written : Written
        The function.
    inputs : Sequence[Any]
        What it was called with.
    ctx : Any
        Of a `torch.autograd.Function` with the same inputs.
    grad : Tensors
        Of its output, or of each.

    Returns
    -------
    tuple[Tensor | None, ...]
        One for each input; None where none is needed.
    """
    needed = ctx.needs_input_grad
    wanted = [each for each, is_needed in zip(inputs, needed, strict=True) if is_needed]
    found = iter(torch.autograd.grad(written(*inputs), wanted, grad, create_graph=True))
    return tuple(next(found) if is_needed else None for is_needed in needed)
