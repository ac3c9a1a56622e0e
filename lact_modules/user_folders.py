"""Where libraries keep files of users whose system has no name or home for them."""

import getpass
import os
import tempfile
from pathlib import Path

COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"
MATPLOTLIB_FOLDER = "MPLCONFIGDIR"
VARIABLES = (COMPILER_CACHE, MATPLOTLIB_FOLDER)
"""PyTorch's and Matplotlib's own environment variables."""


def name_user_folders() -> None:
    """Set folders named by the user's number, where there is no name or no home.

    Making an optimizer imports PyTorch's compiler, which asks for the user's name, and
    importing Matplotlib before 3.11 asks for the home. Users of containers often have
    neither, and with them no training. Folders that the environment names stay.

    Example
    -------
    >>> name_user_folders()
    """
    try:
        getpass.getuser()
    # Python 3.13 raises OSError
    except (KeyError, OSError):
        _name_folder(COMPILER_CACHE, "torchinductor")
    try:
        Path.home()
    except RuntimeError:
        _name_folder(MATPLOTLIB_FOLDER, "matplotlib")


def _name_folder(variable: str, name: str) -> None:
    folder = Path(tempfile.gettempdir()) / f"{name}_{os.getuid()}"
    os.environ.setdefault(variable, str(folder))
