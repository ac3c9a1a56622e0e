"""What ``lact-asr transcribe`` recognizes: files, or each of their channels."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lact_modules.errors import InputError

EACH = "each"


class Recording(NamedTuple):
    """A file, or one channel of it.

    Arguments
    ---------
    path : Path
        The file.
    channel : int | None
        From 0; the mean of all if None.
    """

    path: Path
    channel: int | None = None

    def __str__(self) -> str:
        """Name it as users know it."""
        place = "" if self.channel is None else f", channel {self.channel}"
        return f"{self.path}{place}"


def list_recordings(paths: Iterable[Path], channel: str | None) -> list[Recording]:
    """List the recordings in some files.

    Arguments
    ---------
    paths : Iterable[Path]
        Audio files.
    channel : str | None
        A number, from 0; ``each`` makes a recording of each; the mean if None.

    Returns
    -------
    list[Recording]
        In the files' order; a file that cannot be read is one recording.

    Raises
    ------
    InputError
        If `channel` is neither a number nor ``each``.

    Example
    -------
    >>> list_recordings([Path("a.wav")], "1")
    [Recording(path=PosixPath('a.wav'), channel=1)]
    """
    if channel == EACH:
        return [each for path in paths for each in _split(path)]
    number = parse_channel(channel)
    return [Recording(path, number) for path in paths]


def parse_channel(channel: str | None) -> int | None:
    """Read the number of one channel.

    Arguments
    ---------
    channel : str | None
        As the command line has it.

    Returns
    -------
    int | None
        From 0; the mean of all if None.

    Raises
    ------
    InputError
        If it is no number.

    Example
    -------
    >>> parse_channel("1")
    1
    """
    if channel is None:
        return None
    if not (channel.isascii() and channel.isdecimal()):
        raise InputError(f"--channel {channel}: give a number, from 0, or {EACH}")
    return int(channel)


def _split(path: Path) -> Iterator[Recording]:
    from lact_modules.data.measurement import count_channels

    try:
        number = count_channels(path)
    except InputError:
        number = 1
    for channel in range(number):
        yield Recording(path, channel)
