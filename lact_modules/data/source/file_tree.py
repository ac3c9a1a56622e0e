"""Files below a folder, as their owner sees them: links followed, hidden ones not."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


def find_files(folder: str | Path) -> list[Path]:
    """Find the files of a folder and of all folders in it.

    Folders that are links are entered, but none that holds the link itself. Files and
    folders whose names begin with a dot are hidden, such as the ``._a.wav`` that macOS
    leaves behind, and skipped.

    Arguments
    ---------
    folder : str | Path
        Exists.

    Returns
    -------
    list[Path]
        Regular files, and links to nowhere, in the order of paths.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "a").mkdir()
    >>> for name in ("a/1.wav", "a/._1.wav"):
    ...     (folder / name).touch()
    >>> (folder / "b").symlink_to("a")
    >>> [str(path.relative_to(folder)) for path in find_files(folder)]
    ['a/1.wav', 'b/1.wav']
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
    """Files that stand beside each other and differ in their endings alone.

    Arguments
    ---------
    files : Iterable[Path]
        In any number of folders.

    Example
    -------
    >>> siblings = Siblings([Path("x/B.FLAC"), Path("x/B.TXT"), Path("x/B.json")])
    >>> siblings.find(Path("x/B"), (".lab", ".txt"))
    PosixPath('x/B.TXT')
    """

    def __init__(self, files: Iterable[Path]):
        self._files: dict[Path, dict[str, Path]] = {}
        # lower case counts first
        for path in sorted(files, reverse=True):
            ending = path.suffix.lower()
            self._files.setdefault(path.with_suffix(""), {}).setdefault(ending, path)

    def find(self, stem: Path, endings: Sequence[str]) -> Path | None:
        """Find a file by its path without the ending.

        Arguments
        ---------
        stem : Path
            Its folder and name.
        endings : Sequence[str]
            In lower case; the first one counts. A file's may be in upper case.

        Returns
        -------
        Path | None
            None if there is none.
        """
        found = self._files.get(stem, {})
        return next((found[ending] for ending in endings if ending in found), None)
