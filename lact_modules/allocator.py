"""Settings of the C allocator for training and inference on a CPU."""

import ctypes

# Parameters of mallopt(3), and the largest values that it takes.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of returning it to the kernel.

    PyTorch frees and allocates the same megabytes at every step; by default glibc
    maps them anew each time and the kernel clears every page again. Keeping them
    makes a training step on a CPU a quarter faster, and several times faster while
    other processes do the same. On systems without glibc nothing happens.

    Example
    -------
    >>> keep_freed_memory()
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 25)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_M_TOP_PAD, 1 << 26)
