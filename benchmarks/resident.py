"""What a process of this machine takes; Linux."""

import os
import re
from pathlib import Path

from lact_modules.errors import InputError


def memory_mib(field: str = "VmRSS", pid: int | None = None) -> float:
    """Read how much memory a process has.

    Arguments
    ---------
    field : str
        Of ``/proc/PID/status``: ``VmRSS`` is resident now, ``VmHWM`` was at most.
    pid : int | None
        The process; None is this one.

    Returns
    -------
    float
        MiB.

    Raises
    ------
    InputError
        If there is no such process or field, or this is no Linux.

    Example
    -------
    >>> 1 < memory_mib() <= memory_mib("VmHWM")
    True
    """
    path = Path(f"/proc/{pid or 'self'}/status")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; measure on Linux") from error
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    if found is None:
        raise InputError(f"{path}: has no {field}; measure on Linux")
    return int(found[1]) / 1024


def reset_peak() -> None:
    """Let ``VmHWM`` of this process begin anew, at what it has now.

    Example
    -------
    >>> reset_peak()
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


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
