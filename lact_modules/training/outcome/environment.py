"""What a program ran on: source commit, package versions, hardware."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

import lact_modules

REPORTED_PACKAGES = ("torch", "torchaudio", "speechbrain", "transformers")


def source_commit(folder: str | Path | None = None) -> dict[str, str | bool] | None:
    """Name the git commit that a package's source was checked out from.

    Arguments
    ---------
    folder : str | Path | None
        Package folder; the one of `lact_modules` if None.

    Returns
    -------
    dict[str, str | bool] | None
        ``{"hash": 40 hex digits, "dirty": tracked files were changed}``; None when
        the package does not belong to a checkout, or git is missing.

    Example
    -------
    >>> import tempfile
    >>> source_commit(tempfile.mkdtemp()) is None
    True
    """
    folder = Path(folder or lact_modules.__path__[0])
    # a package installed below somebody else's checkout is not tracked there
    if not _git(folder, "ls-files", "--", "__init__.py"):
        return None
    description = _git(
        folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"
    )
    commit, _, dirty = description.partition("-")
    return {"hash": commit, "dirty": bool(dirty)}


def _git(folder: Path, *arguments: str) -> str:
    try:
        finished = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True
        )
    except FileNotFoundError:
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""


def package_versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of those it computes with.

    Returns
    -------
    dict[str, str]
        Version by name.

    Example
    -------
    >>> sorted(package_versions())
    ['lact_modules', 'python', 'speechbrain', 'torch', 'torchaudio', 'transformers']
    """
    return {
        "python": platform.python_version(),
        "lact_modules": lact_modules.__version__,
        **{name: metadata.version(name) for name in REPORTED_PACKAGES},
    }


def describe_hardware(
    device: str | torch.device = "cpu",
) -> dict[str, str | int | None]:
    """Describe the machine as far as it bears on a run's speed.

    Arguments
    ---------
    device : str | torch.device
        Where the model ran; a GPU counts only if it was used.

    Returns
    -------
    dict[str, str | int | None]
        ``cpu`` (model name), ``cores`` (open to this process), ``threads`` (of
        torch), ``gpu`` (name, None on the CPU).

    Example
    -------
    >>> describe_hardware("cpu")["gpu"] is None
    True
    """
    device = torch.device(device)
    # macOS cannot tell which cores are open to a process
    linux = hasattr(os, "sched_getaffinity")
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if linux else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
    }


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
