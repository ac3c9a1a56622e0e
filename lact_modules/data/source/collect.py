"""Collect the audio files that a user names: files, folders, lists."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from lact_modules.data.source.file_tree import find_files
from lact_modules.errors import InputError

AUDIO_SUFFIXES = (
    *(".flac", ".wav", ".aif", ".aiff", ".au", ".caf"),
    *(".ogg", ".oga", ".opus", ".mp3"),
    *(".m4a", ".mp4", ".aac", ".webm", ".amr"),
)
"""What is taken from a folder, in lower or upper case, and of several copies the first
named here; a file named outright may have any suffix."""


def collect_audio(names: Iterable[str], listed: Iterable[str] = ()) -> list[Path]:
    """Find audio files: those named, those in folders, and for ``-`` those `listed`.

    Whether a file exists is left to its reader; blank lines are skipped. Raises
    InputError if a folder holds no audio, or there is no file at all.
    """
    files = [path for name in names for path in _expand(name, listed)]
    if not files:
        raise InputError("no audio files; name files or folders, or list them on stdin")
    return files


def _expand(name: str, listed: Iterable[str]) -> Iterator[Path]:
    if name == "-":
        for line in listed:
            if stripped := line.strip():
                yield from _expand_path(Path(stripped))
    else:
        yield from _expand_path(Path(name))


def _expand_path(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [file for file in find_files(path) if file.suffix.lower() in AUDIO_SUFFIXES]
    if not found:
        raise InputError(f"{path}: no audio below this folder; name another")
    return found
