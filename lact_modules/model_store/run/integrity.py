"""Check that a checkpoint is as it was saved: marks, checksums, files on the disk."""

import errno
import hashlib
import os
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lact_modules.errors import InputError

META_FILE = "CKPT.yaml"
"""Marks a folder as a checkpoint, and describes it."""

SUMS_FILE = "SHA256SUMS"
"""Checksums of a checkpoint's files, for ``sha256sum --check`` too."""

SEALED = "checksums"
"""Key of the description: name of the file with checksums; old checkpoints lack it."""

UNFINISHED = META_FILE + ".part"
_PIECE = 1 << 20


def seal(folder: Path) -> None:
    """Complete a checkpoint: checksums, everything on the disk, and then the mark."""
    lines = []
    for path in sorted(folder.iterdir()):
        lines.append(f"{_digest(path)}  {path.name.removesuffix('.part')}\n")
        _flush(path)
    sums = folder / SUMS_FILE
    sums.write_text("".join(lines), encoding="utf-8")
    _flush(sums)
    _flush(folder)
    os.replace(folder / UNFINISHED, folder / META_FILE)
    _flush(folder)
    _flush(folder.parent)


def read_meta(folder: Path) -> dict[str, Any]:
    """Read a checkpoint's description of itself, with ``unixtime``, and verify it."""
    path, sums = folder / META_FILE, folder / SUMS_FILE
    # it shows whether files are missing, and which checkpoint is the best
    if sums.exists() and _read_sums(sums)[META_FILE] != _digest(_existing(path)):
        raise InputError(f"{path}: is not what was saved")
    try:
        meta = YAML(typ="safe").load(_existing(path))
    # zeros are characters that YAML does not allow, others are no numbers
    except (YAMLError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as YAML") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("unixtime"), float | int):
        raise InputError(f"{path}: has no unixtime")
    return meta


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such file; is the checkpoint whole?")
    return path


def is_complete(folder: Path, meta: dict[str, Any]) -> bool:
    """Return whether no file is missing, as after a deletion that was killed."""
    names = [f"{name}.ckpt" for name in meta.get("recoverables", [])]
    names += [meta[SEALED]] if SEALED in meta else []
    return all((folder / name).is_file() for name in names)


def verify(folder: Path, names: Collection[str] | None = None) -> None:
    """Check that a checkpoint's files are as they were saved.

    Checkpoints of versions without checksums are checked by those within torch's files,
    and by what cannot be text.
    """
    meta = read_meta(folder)
    if SEALED in meta or (folder / SUMS_FILE).exists():
        sums = _read_sums(folder / SUMS_FILE)
        for name in sums if names is None else {META_FILE, *names}:
            if sums.get(name) != _digest(_existing(folder / name)):
                raise InputError(f"{folder / name}: is not what was saved")
        return
    if names is None:
        names = [path.name for path in folder.glob("*.ckpt")]
    for name in names:
        if not _is_readable(_existing(folder / name)):
            raise InputError(f"{folder / name}: damaged")


def _read_sums(path: Path) -> dict[str, str]:
    try:
        *lines, end = _existing(path).read_text(encoding="utf-8").split("\n")
        sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    except ValueError as error:
        raise InputError(f"{path}: damaged") from error
    if end or META_FILE not in sums:
        raise InputError(f"{path}: damaged")
    return sums


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _is_readable(path: Path) -> bool:
    """Return whether an archive has its own checksums, or text has no zeros."""
    if not zipfile.is_zipfile(path):
        content = path.read_bytes()
        # torch writes archives, all else here is text
        return bool(content) and b"\0" not in content and content[:2] != b"PK"
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
        return False


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # some network file systems do not know it of folders
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)
