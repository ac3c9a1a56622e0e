"""Where a model runs."""

from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager

import torch

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.errors import InputError


def find_device(name: str) -> torch.device:
    """Find a device that is available.

    Arguments
    ---------
    name : str
        ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto``: CUDA if available.

    Returns
    -------
    torch.device
        To run on.

    Raises
    ------
    InputError
        If this machine has none of that name.

    Example
    -------
    >>> find_device("cpu")
    device(type='cpu')
    """
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
    """Name the batch for which memory does not suffice.

    Arguments
    ---------
    waveforms : Sequence[Sized]
        At 16 kHz.
    device : torch.device
        Where they are run.

    Yields
    ------
    None
        To run them.

    Raises
    ------
    InputError
        In the place of what PyTorch raises.

    Example
    -------
    >>> with memory_for([range(16000)], torch.device("cpu")):
    ...     raise torch.OutOfMemoryError
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: batch of 1 x 1 s: out of memory on cpu; ...
    """
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
