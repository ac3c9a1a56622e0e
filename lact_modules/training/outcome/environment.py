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
    """Return the commit of a package's source: its ``hash``, and if it is ``dirty``.

    Dirty means that tracked files were changed. None without a checkout or git.
    """
    folder = Path(folder or lact_modules.__path__[0])
    # a package installed below another project's checkout is not tracked there
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
    """Return the versions of Python, of this package and of those it computes with."""
    return {
        "python": platform.python_version(),
        "lact_modules": lact_modules.__version__,
        **{name: metadata.version(name) for name in REPORTED_PACKAGES},
    }


def describe_hardware(
    device: str | torch.device = "cpu",
) -> dict[str, str | int | None]:
    """Describe the machine as far as it bears on a run's speed.

    ``cores`` are open to this process, ``threads`` are torch's; ``gpu`` is None if none
    was used.
    """
    device = torch.device(device)
    # macOS does not report which cores are open to a process
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
