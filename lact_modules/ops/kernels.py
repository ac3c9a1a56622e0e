"""Kernels of optional packages, for CUDA."""

import functools
import importlib
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def kernel_for(x: Tensor, module: str, name: str) -> Callable[..., Any] | None:
    """Return a package's kernel for a tensor, where there is one.

    Where it is missed, on CUDA, a warning says so once.

    Arguments
    ---------
    x : Tensor
        What is to be computed with.
    module : str
        Of the optional package, such as ``"fla.ops.gated_delta_rule"``.
    name : str
        Of the function.

    Returns
    -------
    Callable[..., Any] | None
        None off CUDA, for float64, and where the package cannot be imported.

    Example
    -------
    >>> kernel_for(torch.zeros(1), "fla.ops.gated_delta_rule", "chunk_gated_delta_rule")
    """
    # fake ones, such as those of torch.export, have no memory
    is_real = type(x) in (Tensor, torch.nn.Parameter)
    is_taken = x.is_cuda and x.dtype in _DTYPES and is_real
    return _import_kernel(module, name) if is_taken else None


@functools.cache
def _import_kernel(module: str, name: str) -> Callable[..., Any] | None:
    try:
        return getattr(importlib.import_module(module), name)
    # Triton's complain of drivers in other ways too
    except Exception as error:
        warnings.warn(
            f"{module}: {error}; PyTorch computes the same, slower: "
            "pip install 'lact-asr[gpu]'",
            stacklevel=4,
        )
        return None
