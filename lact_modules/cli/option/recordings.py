"""What ``lact-asr transcribe`` recognizes: files, or each of their channels."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lact_modules.errors import InputError

EACH = "each"


class Recording(NamedTuple):
    """A file, or one of its channels, from 0; the mean of all if None."""

    path: Path
    channel: int | None = None

    def __str__(self) -> str:
        """Name it as users know it."""
        place = "" if self.channel is None else f", channel {self.channel}"
        return f"{self.path}{place}"


def list_recordings(paths: Iterable[Path], channel: str | None) -> list[Recording]:
    """List the recordings in some files, in their order.

    ``channel`` is a number from 0, or ``each`` for a recording per channel; None is the
    mean. A file that cannot be read is one recording.
    """
    if channel == EACH:
        return [each for path in paths for each in _split(path)]
    number = parse_channel(channel)
    return [Recording(path, number) for path in paths]


def parse_channel(channel: str | None) -> int | None:
    """Read the number of one channel, from 0; None is the mean of all."""
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
