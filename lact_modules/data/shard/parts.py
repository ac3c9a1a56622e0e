"""A corpus in parts: the same ones, of the same names, each time it is listed."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.media.segment import Source, source_name
from lact_modules.data.shard.index import Shard
from lact_modules.data.shard.reader import read_shard

MAX_PART_SECONDS = 4 * 3600
"""Of audio, as far as durations are known; a longer recording is a part by itself."""


class Speech(NamedTuple):
    """A recording, or the segment of one, that may lie in a shard.

    Arguments
    ---------
    id : str
        Unique within its corpus.
    audio : Source
        A path, or a stream that has a ``name``.
    offset : float
        Seconds into it at which the speech begins.
    duration : float | None
        Seconds; to the end if None or 0.
    channel : int | None
        From 0; the mean of all if None.

    Example
    -------
    >>> Speech("a", "/corpus/a.wav").file
    '/corpus/a.wav'
    """

    id: str
    audio: Source
    offset: float = 0.0
    duration: float | None = None
    channel: int | None = None

    def __str__(self) -> str:
        return self.id

    @property
    def file(self) -> str:
        """Name of the recording."""
        return source_name(self.audio)


@dataclass(frozen=True)
class ListedPart:
    """Some of a manifest's utterances.

    Arguments
    ---------
    number : int
        From 0.
    speech : tuple[Speech, ...]
        At least one.
    """

    number: int
    speech: tuple[Speech, ...]

    def __len__(self) -> int:
        return len(self.speech)

    def __iter__(self) -> Iterator[Speech]:
        return iter(self.speech)


@dataclass(frozen=True)
class ShardPart:
    """The utterances of a shard, which is read while they are.

    Arguments
    ---------
    number : int
        From 0.
    shard : str
        Path of the tar file.
    num_utterances : int
        That it holds.
    num_bytes : int
        Of the file.
    channel : int | None
        Of each utterance, from 0; the mean of all if None.
    """

    number: int
    shard: str
    num_utterances: int
    num_bytes: int
    channel: int | None = None

    def __len__(self) -> int:
        return self.num_utterances

    def __iter__(self) -> Iterator[Speech]:
        for sample in read_shard(Path(self.shard)):
            yield Speech(sample["id"], sample["audio"], channel=self.channel)


Part: TypeAlias = ListedPart | ShardPart


def list_utterances(utterances: Iterable[Utterance]) -> list[Speech]:
    """Return what to read of a manifest's audio, by absolute paths.

    Arguments
    ---------
    utterances : Iterable[Utterance]
        Of the manifest.

    Returns
    -------
    list[Speech]
        In its order.
    """
    return [
        Speech(u.id, os.path.abspath(u.audio_filepath), u.offset, u.duration, u.channel)
        for u in utterances
    ]


def divide(speech: Sequence[Speech], size: int) -> list[Part]:
    """Divide speech into parts of like effort.

    Arguments
    ---------
    speech : Sequence[Speech]
        In the order in which it is to be written.
    size : int
        Most of it in a part, which `MAX_PART_SECONDS` may end before.

    Returns
    -------
    list[Part]
        Consecutive, from number 0.

    Example
    -------
    >>> hours = [Speech(name, f"{name}.wav", duration=3600.0) for name in "abcdefg"]
    >>> [[len(part) for part in divide(hours, size)] for size in (100, 3)]
    [[4, 3], [3, 3, 1]]
    """
    parts: list[Part] = []
    held: list[Speech] = []
    seconds = 0.0
    for each in speech:
        duration = each.duration or 0.0
        if held and (len(held) == size or seconds + duration > MAX_PART_SECONDS):
            parts.append(ListedPart(len(parts), tuple(held)))
            held, seconds = [], 0.0
        held.append(each)
        seconds += duration
    if held:
        parts.append(ListedPart(len(parts), tuple(held)))
    return parts


def divide_by_shard(shards: Iterable[Shard], channel: int | None = None) -> list[Part]:
    """Make a part of each shard.

    Arguments
    ---------
    shards : Iterable[Shard]
        See `find_shards`.
    channel : int | None
        Of each utterance.

    Returns
    -------
    list[Part]
        In their order.
    """
    return [
        ShardPart(
            number,
            os.path.abspath(shard.path),
            len(shard.texts),
            shard.size,
            channel,
        )
        for number, shard in enumerate(shards)
    ]


def fingerprint(parts: Iterable[Part]) -> str:
    """Return a key of parts, other for other audio, order or division.

    Arguments
    ---------
    parts : Iterable[Part]
        All of a corpus.

    Returns
    -------
    str
        Hexadecimal.

    Example
    -------
    >>> one, two = Speech("a", "a.wav"), Speech("b", "b.wav")
    >>> fingerprint(divide([one, two], 2)) == fingerprint(divide([one, two], 1))
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part!r}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
