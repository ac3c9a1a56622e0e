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
    """Read what a shard holds; the audio stays encoded.

    Arguments
    ---------
    path : Path
        A tar file that `write_shards` has written.

    Yields
    ------
    Sample
        Of each utterance ``id``, ``text``, ``duration`` and ``speaker``, and ``audio``:
        a stream whose name has shard and utterance.

    Raises
    ------
    InputError
        If webdataset is not installed, or the shard is damaged.

    Example
    -------
    >>> import tempfile, numpy, soundfile
    >>> from lact_modules.data.manifest.manifest import Utterance
    >>> from lact_modules.data.shard.writer import write_shards
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "a.wav", numpy.zeros(8000), 16000)
    >>> one = Utterance("a", str(folder / "a.wav"), "ONE", 0.5)
    >>> [shard] = write_shards(folder / "shards", [one], max_bytes=10**6)
    >>> [(sample["id"], sample["text"]) for sample in read_shard(shard.path)]
    [('a', 'ONE')]
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
    """Return what reads the files of tar files, grouped by utterance.

    Returns
    -------
    Callable[[Iterable[dict[str, str]]], Iterator[Sample]]
        Takes ``{"url": path}`` of each.

    Raises
    ------
    InputError
        If webdataset is not installed.
    """
    try:
        from webdataset.tariterators import tarfile_samples
    except ImportError as error:
        raise InputError(
            "shards are read by webdataset; pip install 'lact-asr[shards]'"
        ) from error
    return tarfile_samples
