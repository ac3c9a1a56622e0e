"""Files below a folder, as their owner sees them: links followed, hidden ones not."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


def find_files(folder: str | Path) -> list[Path]:
    """Find the files of a folder and of all folders in it, in the order of paths.

    Folders that are links are entered, but none that holds the link itself; links to
    nowhere are files. Files and folders whose names begin with a dot are hidden, such
    as the ``._a.wav`` that macOS leaves behind, and skipped.
    """
    return sorted(_walk(Path(folder), frozenset()))


def _walk(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if entry.is_dir():
                yield from _walk(path, above | {real})
            elif entry.is_file() or (entry.is_symlink() and not path.exists()):
                yield path


class Siblings:
    """Files beside each other that differ in their endings alone."""

    def __init__(self, files: Iterable[Path]):
        self._files: dict[Path, dict[str, Path]] = {}
        # lower case counts first
        for path in sorted(files, reverse=True):
            ending = path.suffix.lower()
            self._files.setdefault(path.with_suffix(""), {}).setdefault(ending, path)

    def find(self, stem: Path, endings: Sequence[str]) -> Path | None:
        """Find the first of some lower-case endings that a file has, in any case."""
        found = self._files.get(stem, {})
        return next((found[ending] for ending in endings if ending in found), None)
