"""Releases of packages that do not fit together, though their metadata allows it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from lact_modules.errors import InputError, faults_shown


def torchaudio_that_fits() -> str | None:
    """Name the torchaudio that the installed torch needs, if it is another one.

    Release 2.11.1 asks for symbols that torch has since 2.13, and for one major version
    of CUDA; 2.11.0 asks for the very version of CUDA that torch had up to 2.14.

    Returns
    -------
    str | None
        A requirement for pip; None if torchaudio fits.

    Example
    -------
    >>> torchaudio_that_fits()
    """
    from packaging.version import Version

    torch, torchaudio = (
        Version(Version(metadata.version(name)).base_version)
        for name in ("torch", "torchaudio")
    )
    if torch < Version("2.13") and torchaudio > Version("2.11.0"):
        return "torchaudio==2.11.0"
    if torch >= Version("2.15") and torchaudio < Version("2.11.1"):
        return "torchaudio>=2.11.1"
    return None


@contextmanager
def misfits_named() -> Iterator[None]:
    """Explain why torchaudio cannot be imported, if that is because of torch.

    Raises
    ------
    InputError
        In place of what the import raises.

    Example
    -------
    >>> with misfits_named():
    ...     import torchaudio
    """
    try:
        yield
    except (ImportError, OSError, RuntimeError) as error:
        # one that could be imported is not the reason
        if "torchaudio" in sys.modules or (fitting := torchaudio_that_fits()) is None:
            raise
        raise InputError(
            f"torchaudio {metadata.version('torchaudio')} cannot be loaded with torch "
            f"{metadata.version('torch')}: pip install '{fitting}'"
        ) from error


def exit_at_misfits() -> None:
    """End the program with one line if torch keeps torchaudio from being imported.

    For programs that import it before they handle their faults.

    Raises
    ------
    SystemExit
        With code 2.

    Example
    -------
    >>> exit_at_misfits()
    """
    # the import takes seconds, which those that fit save
    if torchaudio_that_fits() is None:
        return
    try:
        with misfits_named():
            import torchaudio  # noqa: F401
    except InputError:
        with faults_shown(Path(sys.argv[0]).name):
            raise
