"""What others may read of a run: no folders of this machine."""

import re
from pathlib import Path

# Absolute, so neither preceded by a name nor part of a URL; ends at YAML's marks.
_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~-])/[^\s,:'\"\[\]{}]+")


def without_folders(text: str) -> str:
    """Shorten the absolute paths in a text to their last part.

    Arguments
    ---------
    text : str
        Command line, YAML, log, ...

    Returns
    -------
    str
        The text; relative paths and URLs stay as they are.

    Example
    -------
    >>> without_folders("data_folder: /home/me/LibriSpeech")
    'data_folder: LibriSpeech'
    """
    return _ABSOLUTE_PATH.sub(lambda match: Path(match[0]).name, text)
