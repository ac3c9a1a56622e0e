"""Functions in C++ for CPUs, compiled when they are first needed."""

import ctypes
import functools
import hashlib
import logging
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

SWITCH = "LACT_NATIVE"
"""Environment variable; 0 makes CPUs use the code in PyTorch."""

_OPTIONS = ("-O3", "-ffast-math", "-std=c++17", "-fPIC", "-fopenmp")
_VECTORS = {
    "AVX2": ("-mavx2", "-mfma"),
    "AVX512": ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mprefer-vector-width=512"),
}


def is_for_native(x: Tensor) -> bool:
    """Return whether a tensor is one that C++ code can take: float32 on the CPU.

    Not while a model is compiled, exported or traced, or if the environment says
    ``LACT_NATIVE=0``.
    """
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        # fake ones, such as those of torch.export, have no memory
        and type(x) in (Tensor, torch.nn.Parameter)
        and os.environ.get(SWITCH) != "0"
    )


@functools.cache
def load_native(source: str, *options: str) -> ctypes.CDLL | None:
    """Load a library of a file beside this one, compiled if it has not been before.

    None if this machine cannot make it.
    """
    try:
        return ctypes.CDLL(str(_find_library(source, options)))
    except (OSError, subprocess.SubprocessError) as error:
        logger.info("%s is not used: %s", source, error)
        return None


def call_native(
    library: ctypes.CDLL,
    function: str,
    tensors: Sequence[Tensor | None],
    sizes: Sequence[int],
) -> None:
    """Call a function of pointers (None: null), sizes, and the number of threads."""
    addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    numbers = [ctypes.c_int64(size) for size in (*sizes, torch.get_num_threads())]
    library[function](*map(ctypes.c_void_p, addresses), *numbers)


def cache_folder() -> Path:
    """Return the folder of compiled libraries, beside torch's; it may not exist yet."""
    return Path(torch.hub.get_dir()).parent / "lact_asr"


def _find_library(source: str, options: Sequence[str]) -> Path:
    """Compile, unless the cache has it already, and whole."""
    path = Path(__file__).with_name(source)
    vectors = _VECTORS.get(torch.backends.cpu.get_cpu_capability(), ())
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    command = [*compiler, *_OPTIONS, *vectors, *options]
    headers = sorted(path.parent.glob("*.h"))
    contents = b"".join(each.read_bytes() for each in (path, *headers))
    key = _digest(" ".join(command).encode() + contents)
    # loading half a file would end the process, so a file's name identifies its content
    for library in cache_folder().glob(f"{path.stem}_{key}_*.so"):
        if library.stem.endswith(_digest(library.read_bytes())):
            return library
        library.unlink(missing_ok=True)
    return _compile(compiler, [*command, "-c", str(path)], f"{path.stem}_{key}")


def _compile(compiler: list[str], command: list[str], name: str) -> Path:
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        code, linked = Path(folder, "code.o"), Path(folder, "linked.so")
        # Linked apart: with -ffast-math the linker adds code that flushes denormals.
        for step in (
            [*command, "-o", str(code)],
            [*compiler, "-shared", "-fopenmp", str(code), "-o", str(linked)],
        ):
            subprocess.run(step, check=True, capture_output=True, timeout=120)
        digest = _digest(linked.read_bytes())
        library = cache_folder() / f"{name}_{digest}.so"
        os.replace(linked, library)
    return library


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
