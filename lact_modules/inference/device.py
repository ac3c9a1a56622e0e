"""Where a model runs."""

import torch

from lact_modules.errors import InputError


def find_device(name: str) -> torch.device:
    """Give a device that is there.

    Arguments
    ---------
    name : str
        ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto``: CUDA if there is any.

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
