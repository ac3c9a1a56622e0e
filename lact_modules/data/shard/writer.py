"""Write the utterances of a manifest into shards."""

import io
import itertools
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import soundfile

from lact_modules.data.audio import load_audio
from lact_modules.data.manifest.manifest import Utterance, check_ids
from lact_modules.data.media.duration import audio_duration, audio_rate
from lact_modules.data.shard.index import INDEX_FILE, Shard, describe_shards
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file, write_whole

# Seconds by which a manifest may take a file for shorter than it is.
_ROUNDING = 0.01


class _Packed(NamedTuple):
    """An utterance's files by name, and the number of its shard."""

    shard: int
    utterance: Utterance
    members: dict[str, bytes]


def write_shards(
    folder: str | Path, utterances: Iterable[Utterance], max_bytes: int
) -> list[Shard]:
    """Write shards and their index; the same utterances give the same bytes.

    Of each utterance, with its duration, a shard has the audio, in the file's own bytes
    where all of the file is the utterance and else as flac, and then a JSON object with
    ``id``, ``text``, ``duration`` and ``speaker``. A shard ends before the utterance
    that would make it longer than `max_bytes`. The index ``shards.json`` appears when
    all is written; a folder that has one is refused.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / INDEX_FILE
    if index.exists():
        raise InputError(f"{index}: has shards already; give another folder")
    packed = _pack(check_ids(utterances), max_bytes)
    shards = [
        _write_shard(folder / f"shard-{number:06d}.tar", group)
        for number, group in itertools.groupby(packed, key=lambda item: item.shard)
    ]
    if not shards:
        raise InputError(f"{folder}: no utterances to write")
    description = json.dumps(describe_shards(shards), ensure_ascii=False)
    write_whole(index, description + "\n")
    return shards


def _write_shard(path: Path, packed: Iterable[_Packed]) -> Shard:
    shard = Shard(path, 0, [], [])
    with (
        whole_file(path) as unfinished,
        tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for _, utterance, members in packed:
            for name, content in members.items():
                # a TarInfo has no time or owner unless given
                header = tarfile.TarInfo(name)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
            shard.durations.append(utterance.duration)
            shard.texts.append(utterance.text)
    return replace(shard, size=path.stat().st_size)


def _pack(utterances: Iterable[Utterance], max_bytes: int) -> Iterator[_Packed]:
    """Read utterances, and number the shards that they go to."""
    # what ends a tar file fills up to two records
    max_bytes -= 2 * tarfile.RECORDSIZE
    shard = num_bytes = 0
    for utterance in utterances:
        members = _members(utterance)
        added = sum(_size_in_tar(content) for content in members.values())
        if num_bytes and num_bytes + added > max_bytes:
            shard, num_bytes = shard + 1, 0
        num_bytes += added
        yield _Packed(shard, utterance, members)


def _size_in_tar(content: bytes) -> int:
    blocks = -(-len(content) // tarfile.BLOCKSIZE)
    return (1 + blocks) * tarfile.BLOCKSIZE


def _members(utterance: Utterance) -> dict[str, bytes]:
    """Return the files of an utterance by their names."""
    name = utterance.id
    # WebDataset cuts names at some of these
    for character in "%./":
        name = name.replace(character, f"%{ord(character):02X}")
    ending, audio = _read_audio(utterance)
    fields = ("id", "text", "duration", "speaker")
    note = {field: getattr(utterance, field) for field in fields}
    return {
        name + ending.lower(): audio,
        f"{name}.json": json.dumps(note, ensure_ascii=False).encode(),
    }


def _read_audio(utterance: Utterance) -> tuple[str, bytes]:
    path = Path(utterance.audio_filepath)
    length = audio_duration(path)
    if utterance.offset >= length:
        raise InputError(f"{path}: ends before {utterance.id} begins")
    is_whole = utterance.offset == 0 and utterance.duration >= length - _ROUNDING
    if is_whole and utterance.channel is None:
        return path.suffix or ".audio", path.read_bytes()
    return ".flac", _cut(utterance)


def _cut(utterance: Utterance) -> bytes:
    """Return a part of a file as flac, of 16 bits where the file has no more."""
    path = utterance.audio_filepath
    rate = audio_rate(path)
    part = (utterance.offset, utterance.duration, utterance.channel)
    samples = load_audio(path, rate, *part).clamp(-1, 1).numpy()
    scaled = samples * (1 << 15)
    is_16_bit = (scaled == scaled.round()).all()
    subtype = "PCM_16" if is_16_bit else "PCM_24"
    # soundfile's own conversion takes 32767 for 1, and samples would change
    bits = 16 if is_16_bit else 24
    integers = (samples * (1 << bits - 1)).round().clip(max=(1 << bits - 1) - 1)
    content = io.BytesIO()
    soundfile.write(
        content, integers.astype("int32") << 32 - bits, rate, subtype, format="FLAC"
    )
    return content.getvalue()
