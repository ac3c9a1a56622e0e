"""The selective scan in C++ for CPUs."""

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lact_modules.ops.cpu.native import SWITCH, call_native, is_for_native, load_native

# Sums over channels that threads take apart; a constant, so that more threads
# give the same gradients.
_GROUPS = 4


def native_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Do `sequential_scan` in C++; the gradients compute the states anew.

    For float32 on the CPU, if `has_native_scan` is True; else RuntimeError.
    """
    return _NativeScan.apply(u, delta, A, B, C)


def has_native_scan(u: Tensor, d_state: int) -> bool:
    """Return whether `native_scan` can take u (B, D, L), and compile it if need be."""
    return is_for_native(u) and _library(d_state) is not None


class _NativeScan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
    ) -> Tensor:
        # (B, N, L) -> (B, L, N)
        inputs = [x.contiguous() for x in (u, delta, A, B.mT, C.mT)]
        ctx.save_for_backward(*inputs)
        y = torch.empty_like(inputs[0])
        _call("scan_forward", [*inputs, y], u.shape, A.shape[1])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        u, delta, A, B, C = ctx.saved_tensors
        grad_u, grad_delta = torch.empty_like(u), torch.empty_like(delta)
        grad_A = A.new_zeros(len(u), *A.shape)
        grad_B, grad_C = B.new_zeros(2, len(B), _GROUPS, *B.shape[1:])
        inputs = (grad.contiguous(), u, delta, A, B, C)
        outputs = (grad_u, grad_delta, grad_A, grad_B, grad_C)
        sizes = (*u.shape, _GROUPS)
        _call("scan_backward", [*inputs, *outputs], sizes, A.shape[1])
        # (B, groups, L, N) -> (B, N, L)
        grad_B, grad_C = grad_B.sum(1).mT, grad_C.sum(1).mT
        return grad_u, grad_delta, grad_A.sum(0), grad_B, grad_C


def _call(
    function: str, tensors: list[Tensor], sizes: tuple[int, ...], d_state: int
) -> None:
    library = _library(d_state)
    if library is None:
        raise RuntimeError(f"the C++ scan cannot be compiled here, see {SWITCH}")
    call_native(library, function, tensors, sizes)


def _library(d_state: int) -> ctypes.CDLL | None:
    return load_native("selective_scan.cpp", f"-DD_STATE={d_state}")
