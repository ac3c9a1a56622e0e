"""The selective scan in C++ for CPUs, compiled when it is first needed."""

import ctypes
import functools
import hashlib
import logging
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

logger = logging.getLogger(__name__)

SWITCH = "LACT_NATIVE_SCAN"
"""Environment variable; 0 leaves CPUs with `sequential_scan`."""

_SOURCE = Path(__file__).with_name("selective_scan.cpp")
_OPTIONS = ("-O3", "-ffast-math", "-std=c++17", "-fPIC", "-fopenmp")
_VECTORS = {
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"),
}
# Sums over channels that threads take apart; a constant, so that more threads
# give the same gradients.
_GROUPS = 4


def native_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Scan in C++; the gradients keep no states but compute them anew.

    Arguments
    ---------
    u : Tensor
        (B, D, L) float32 on the CPU, as all others.
    delta : Tensor
        (B, D, L) step sizes.
    A : Tensor
        (D, N)
    B : Tensor
        (B, N, L)
    C : Tensor
        (B, N, L)

    Returns
    -------
    Tensor
        (B, D, L) float32.

    Raises
    ------
    RuntimeError
        If it cannot be compiled here; ask `has_native_scan` before.

    Example
    -------
    >>> u, delta, A, B, C = (torch.ones(1, 1, 3) for _ in range(5))
    >>> if has_native_scan(u, d_state=1):
    ...     _ = native_scan(u, delta, -A[0, :, :1], B, C)
    """
    return _NativeScan.apply(u, delta, A, B, C)


def has_native_scan(u: Tensor, d_state: int) -> bool:
    """Tell whether `native_scan` can take this input; compiles it if it has to.

    Arguments
    ---------
    u : Tensor
        (B, D, L)
    d_state : int
        N

    Returns
    -------
    bool
        False off the CPU, for other dtypes than float32, while a model is exported
        or traced, without a C++ compiler, or if the environment says
        ``LACT_NATIVE_SCAN=0``.
    """
    return (
        u.device.type == "cpu"
        and u.dtype == torch.float32
        and not torch.compiler.is_exporting()
        and not torch.jit.is_tracing()
        and os.environ.get(SWITCH) != "0"
        and _library(d_state) is not None
    )


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
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    numbers = [ctypes.c_int64(size) for size in (*sizes, torch.get_num_threads())]
    library[function](*pointers, *numbers)


@functools.cache
def _library(d_state: int) -> ctypes.CDLL | None:
    """Load the library for a state size; None if this machine cannot make it."""
    try:
        return ctypes.CDLL(str(_find_library(d_state)))
    except (OSError, subprocess.SubprocessError) as error:
        logger.info("selective_scan.cpp is not used: %s", error)
        return None


def cache_folder() -> Path:
    """Give the folder of compiled libraries, beside torch's own cache.

    Example
    -------
    >>> cache_folder().name
    'lact_asr'
    """
    return Path(torch.hub.get_dir()).parent / "lact_asr"


def _find_library(d_state: int) -> Path:
    """Compile, unless the cache has it already, and whole."""
    vectors = _VECTORS.get(torch.backends.cpu.get_cpu_capability(), ())
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    command = [*compiler, *_OPTIONS, *vectors, f"-DD_STATE={d_state}"]
    key = _digest(" ".join(command).encode() + _SOURCE.read_bytes())
    # loading half a file would end the process, so that names tell what is in files
    for library in cache_folder().glob(f"selective_scan_{key}_*.so"):
        if library.stem.endswith(_digest(library.read_bytes())):
            return library
        library.unlink(missing_ok=True)
    return _compile(compiler, command, f"selective_scan_{key}")


def _compile(compiler: list[str], command: list[str], name: str) -> Path:
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        scan_o, scan_so = Path(folder, "scan.o"), Path(folder, "scan.so")
        # Linked apart: with -ffast-math the linker adds code that flushes denormals.
        for step in (
            [*command, "-c", str(_SOURCE), "-o", str(scan_o)],
            [*compiler, "-shared", "-fopenmp", str(scan_o), "-o", str(scan_so)],
        ):
            subprocess.run(step, check=True, capture_output=True, timeout=120)
        digest = _digest(scan_so.read_bytes())
        library = cache_folder() / f"{name}_{digest}.so"
        os.replace(scan_so, library)
    return library


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
