"""Shards: tar files of utterances (WebDataset's format) with an index beside them."""

import glob
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lact_modules.errors import InputError

INDEX_FILE = "shards.json"


@dataclass(frozen=True)
class Shard:
    """A tar file of utterances, and what it holds in the order of the file."""

    path: Path
    size: int
    durations: list[float]
    texts: list[str]

    @property
    def seconds(self) -> float:
        """Duration of all its utterances."""
        return sum(self.durations)


def describe_shards(shards: Sequence[Shard]) -> dict[str, Any]:
    """Make a folder's index for JSON: totals, then each shard with its utterances."""
    entries = []
    for shard in shards:
        counts = {"num_utterances": len(shard.texts), "seconds": shard.seconds}
        fields = asdict(shard)
        del fields["path"]
        entries.append({"file": shard.path.name, **counts, **fields})
    return {
        "num_utterances": sum(entry["num_utterances"] for entry in entries),
        "seconds": sum(entry["seconds"] for entry in entries),
        "shards": entries,
    }


def find_shards(places: str | Path | Sequence[str | Path]) -> list[Shard]:
    """Find shards, and read what they hold from the indices beside them.

    Places are folders, tar files and patterns of these (``/corpus/shard-00000*.tar``);
    each shard is found once, in their order. Raises InputError if an index is missing
    or damaged, or a shard is not in it or has another size.
    """
    if isinstance(places, str | Path):
        places = [places]
    found: dict[Path, Shard] = {}
    for place in places:
        found.update((shard.path, shard) for shard in _find(str(place)))
    return list(found.values())


def _find(place: str) -> list[Shard]:
    paths = [Path(place)] if Path(place).exists() else list(map(Path, glob.glob(place)))
    if not paths:
        raise InputError(
            f"{place}: no such shards; give a folder that lact-asr shard has written, "
            "or a pattern of tar files in it"
        )
    shards: list[Shard] = []
    for path in sorted(paths):
        indexed = _read_index(path if path.is_dir() else path.parent)
        if path.is_dir():
            shards += indexed.values()
        elif path.name in indexed:
            shards.append(indexed[path.name])
        elif path.name != INDEX_FILE:
            raise InputError(f"{path}: not in the index {path.with_name(INDEX_FILE)}")
    for shard in shards:
        _check_size(shard)
    return shards


def _read_index(folder: Path) -> dict[str, Shard]:
    path = folder / INDEX_FILE
    if not path.is_file():
        raise InputError(f"{path}: no such index; write shards with lact-asr shard")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["shards"]
        return {
            entry["file"]: Shard(
                folder / entry["file"],
                *(entry[key] for key in ("size", "durations", "texts")),
            )
            for entry in entries
        }
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not an index of shards ({error})") from error


def _check_size(shard: Shard) -> None:
    if not shard.path.is_file():
        raise InputError(f"{shard.path}: no such file, but the index has it")
    if (size := shard.path.stat().st_size) != shard.size:
        raise InputError(
            f"{shard.path}: has {size} bytes where the index says {shard.size}; "
            "copy or write it again"
        )
