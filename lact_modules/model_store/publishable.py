"""What others may read of a run: no folders of this machine, and no other files."""

import re
from collections.abc import Iterable
from pathlib import Path

from lact_modules.errors import InputError

# Absolute, so neither preceded by a name nor part of a URL; ends at YAML's marks.
_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~-])/[^\s,:'\"\[\]{}]+")


def without_folders(text: str) -> str:
    """Shorten absolute paths in a text to their last part; URLs stay as they are.

    >>> without_folders("data_folder: /home/me/LibriSpeech")
    'data_folder: LibriSpeech'
    """
    return _ABSOLUTE_PATH.sub(lambda match: Path(match[0]).name, text)


def check_own_files(folder: Path, paths: Iterable[Path]) -> None:
    """Refuse links that lead out of a folder, such as to a private file."""
    home = folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(home):
            raise InputError(
                f"{path}: links out of its folder; put the file itself there to "
                "publish it"
            )
