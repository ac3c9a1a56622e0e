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
    """Return a kernel of an optional package's module, for CUDA, if there is one.

    None off CUDA and for float64. If it is not installed, a warning is logged once.
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
