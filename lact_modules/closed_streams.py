"""Standard streams that were closed before the program began."""

import os
import sys


def open_closed_streams() -> None:
    """Replace standard streams that are closed by the null device.

    Python has None for them, and the next file that is opened would get their
    descriptor, with all that libraries write there.

    Example
    -------
    >>> open_closed_streams()
    """
    # in this order each gets the lowest descriptor that is free: its own
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stream)
