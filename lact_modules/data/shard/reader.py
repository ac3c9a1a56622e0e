"""Read the utterances of a shard from front to end."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from lact_modules.errors import InputError

Sample = dict[str, Any]


def read_shard(path: Path) -> Iterator[Sample]:
    """Read what a shard of `write_shards` holds; the audio stays encoded.

    Each utterance's ``id``, ``text``, ``duration``, ``speaker``, and ``audio``: a
    stream whose name has shard and utterance.
    """
    read_tars = import_webdataset()
    try:
        for members in read_tars([{"url": str(path)}]):
            sample = json.loads(members["json"])
            [ending] = [key for key in members if not _is_note(key)]
            audio = io.BytesIO(members[ending])
            audio.name = f"{path}/{sample['id']}.{ending}"
            yield {**sample, "audio": audio}
    except (tarfile.TarError, OSError, ValueError, KeyError) as error:
        # webdataset adds to the reason
        reason = error.args[0]
        raise InputError(f"{path}: damaged ({reason}); write it again") from error


def _is_note(key: str) -> bool:
    return key.startswith("__") or key == "json"


def import_webdataset() -> Callable[[Iterable[dict[str, str]]], Iterator[Sample]]:
    """Return what reads tar files, ``{"url": path}`` each, grouped by utterance."""
    try:
        from webdataset.tariterators import tarfile_samples
    except ImportError as error:
        raise InputError(
            "shards are read by webdataset; pip install 'lact-asr[shards]'"
        ) from error
    return tarfile_samples
