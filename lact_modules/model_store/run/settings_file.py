"""A run's settings, ``hyperparams.yaml``, with a mark that the file is complete.

YAML that is cut between two lines is YAML still, and of another model.
"""

import os
from pathlib import Path

from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file

_BEGINNING = "# Whole if its last line is three dots.\n"
# ends a document in YAML too
_END = "\n...\n"


def write_settings(path: str | Path, text: str, source: str | Path) -> None:
    """Write a run's settings, so that a reader gets all of them or none.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "hyperparams.yaml"
    >>> write_settings(path, "seed: 1", "lact_demo.yaml")
    >>> print(path.read_text())
    # Whole if its last line is three dots.
    # Of ...lact_demo.yaml
    # yamllint disable
    seed: 1
    ...
    <BLANKLINE>
    """
    head = f"{_BEGINNING}# Of {Path(source).absolute()}\n# yamllint disable\n"
    with (
        whole_file(path) as unfinished,
        open(unfinished, "w", encoding="utf-8") as stream,
    ):
        stream.write(head + text.rstrip("\n") + _END)
        stream.flush()
        os.fsync(stream.fileno())


def read_settings_text(path: str | Path) -> str:
    """Read a run's settings, or SpeechBrain's, which have no mark of their end."""
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give the output folder of a training run"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as YAML ({error})") from error
    if text.startswith(_BEGINNING) and not text.endswith(_END):
        raise InputError(
            f"{path}: not whole: its last line is not '...'; copy the run's folder "
            "again, or, if you edited the file, add that line at its end"
        )
    return text
