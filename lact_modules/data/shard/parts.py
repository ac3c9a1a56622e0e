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

    A stream has a ``name``; a duration of None or 0 reaches to the end.
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
    """Some of a manifest's utterances, at least one."""

    number: int
    speech: tuple[Speech, ...]

    def __len__(self) -> int:
        return len(self.speech)

    def __iter__(self) -> Iterator[Speech]:
        return iter(self.speech)


@dataclass(frozen=True)
class ShardPart:
    """The utterances of a shard, which is read while they are.

    The mean of their channels is taken if `channel` is None.
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
    """Return what to read of a manifest's audio, by absolute paths."""
    return [
        Speech(u.id, os.path.abspath(u.audio_filepath), u.offset, u.duration, u.channel)
        for u in utterances
    ]


def divide(speech: Sequence[Speech], size: int) -> list[Part]:
    """Divide speech, in order, into parts of like effort.

    At most `size` of it are in a part, which `MAX_PART_SECONDS` may end before.
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
    """Make a part of each shard, see `find_shards`."""
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
    """Return a key of parts, other for other audio, order or division."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part!r}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
