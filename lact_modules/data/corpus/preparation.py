"""Manifests of splits, written once and again when something has changed."""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from lact_modules.data.corpus.inspection import Skipped, group_by_reason
from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.whole_file import write_whole

# Part of every key: raise it when the same files give other manifests.
_VERSION = 4


def write_split(
    manifest: Path,
    key: str,
    inspect: Callable[[], tuple[list[Utterance], list[Skipped]]],
) -> None:
    """Write a manifest and the list of what it skips, unless made with the same key.

    ``<split>.skipped.json`` and ``<split>.key`` are beside it; see `digest`.
    """
    key_file = manifest.with_suffix(".key")
    if manifest.is_file() and _read_or_none(key_file) == key:
        return
    key_file.unlink(missing_ok=True)
    utterances, skipped = inspect()
    write_manifest(manifest, utterances)
    _write_report(manifest.with_suffix(".skipped.json"), skipped)
    # Written last: without it the split is prepared anew.
    write_whole(key_file, key)


def digest(settings: object, files: Iterable[Path]) -> str:
    """Return a key that changes with the settings' ``repr`` or any of the files.

    Their names, sizes and times of change count, and their order.
    """
    hashed = hashlib.sha256(repr((_VERSION, settings)).encode())
    for path in files:
        status = path.stat()
        hashed.update(repr((str(path), status.st_size, status.st_mtime_ns)).encode())
    return hashed.hexdigest()


def _read_or_none(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _write_report(path: Path, skipped: list[Skipped]) -> None:
    report = json.dumps(group_by_reason(skipped), indent=2, ensure_ascii=False)
    write_whole(path, report + "\n")
