"""Where PyTorch's compiler keeps files, for users whose system has no name for them."""

import getpass
import os
import tempfile
from pathlib import Path

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
"""PyTorch's own environment variable."""


def name_compiler_cache() -> None:
    """Set a folder of the compiler named by the user's number, if there is no name.

    Making an optimizer imports the compiler, which asks for the user's name. Users of
    containers often have none, and with it no optimizer. A folder that the environment
    names already stays.

    Example
    -------
    >>> name_compiler_cache()
    """
    if VARIABLE in os.environ:
        return
    try:
        getpass.getuser()
    # Python 3.13 raises OSError
    except (KeyError, OSError):
        folder = Path(tempfile.gettempdir()) / f"torchinductor_{os.getuid()}"
        os.environ[VARIABLE] = str(folder)
