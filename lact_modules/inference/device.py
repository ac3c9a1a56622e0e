"""Where a model runs."""

from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager

import torch

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.errors import InputError


def find_device(name: str) -> torch.device:
    """Return an available device; ``auto`` is CUDA if there is any."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        # nothing comes back from the device "meta"
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InputError(f"device {name!r}: not available here; try 'auto'") from error
    return device


@contextmanager
def memory_for(waveforms: Sequence[Sized], device: torch.device) -> Iterator[None]:
    """Turn an out-of-memory error into an InputError that names the batch."""
    try:
        yield
    except RuntimeError as error:
        # of a CPU's memory there is no exception of its own
        is_full = isinstance(error, torch.OutOfMemoryError)
        if not is_full and "can't allocate memory" not in str(error):
            raise
        longest = max(map(len, waveforms)) / SAMPLE_RATE
        raise InputError(
            f"batch of {len(waveforms)} x {longest:.0f} s: "
            f"out of memory on {device}; use a smaller batch"
        ) from error
