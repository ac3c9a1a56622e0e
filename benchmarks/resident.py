"""What another process of this machine takes; Linux."""

import os
import re
from pathlib import Path

from lact_modules.errors import InputError


def resident_mib(pid: int) -> float:
    """Read the resident memory of a process.

    Arguments
    ---------
    pid : int
        Its number.

    Returns
    -------
    float
        MiB.

    Raises
    ------
    InputError
        If this is no Linux.

    Example
    -------
    >>> resident_mib(os.getpid()) > 1
    True
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"process {pid}: {error.strerror}; Linux alone") from error
    [found] = re.findall(r"^VmRSS:\s+(\d+) kB", text, re.MULTILINE)
    return round(int(found) / 1024, 1)


def cpu_seconds(pid: int) -> float:
    """Read how long a process has computed, on all cores together.

    Arguments
    ---------
    pid : int
        Its number.

    Returns
    -------
    float
        Seconds.

    Example
    -------
    >>> cpu_seconds(os.getpid()) > 0
    True
    """
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    # the name, in parentheses, may hold anything
    fields = text.rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
