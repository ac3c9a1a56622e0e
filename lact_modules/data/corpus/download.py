"""Download LibriSpeech and LibriSpeech-Long: fetched, verified, unpacked safely."""

import errno
import gzip
import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from lact_modules.data.corpus.fetch import NETWORK_ERRORS, TIMEOUT, fetch_file
from lact_modules.errors import InputError

OPENSLR_LIBRISPEECH = "https://www.openslr.org/resources/12"
"""Where LibriSpeech's archives and their ``md5sum.txt`` are."""

LIBRISPEECH_LONG = "https://storage.googleapis.com/librispeech_long"
"""Where the archive of LibriSpeech-Long (arXiv 2412.18603) is."""

_ARCHIVE = ".tar.gz"


def download_librispeech(
    splits: Sequence[str],
    folder: str | Path,
    *,
    base_url: str = OPENSLR_LIBRISPEECH,
) -> list[Path]:
    """Fetch, verify and unpack splits of LibriSpeech to ``LibriSpeech/<split>``.

    A split's folder appears when it is complete, and is not fetched again. What a cut
    connection or an interrupted run leaves (``<split>.tar.gz.part``) is continued by
    the next call; an archive with a wrong checksum is deleted. `base_url` has
    ``<split>.tar.gz`` and ``md5sum.txt``.
    """
    folder = Path(folder)
    targets = {split: folder / "LibriSpeech" / split for split in splits}
    missing = [split for split, target in targets.items() if not target.is_dir()]
    if missing:
        checksums = _fetch_checksums(f"{base_url}/md5sum.txt")
        _require_known(missing, checksums, base_url)
    with _working_in(folder) as progress:
        for split in missing:
            archive = folder / (split + _ARCHIVE)
            _fetch(base_url, archive, progress)
            _verify(archive, checksums[split], progress)
            _unpack(archive, f"LibriSpeech/{split}", targets[split], progress)
    return list(targets.values())


def download_librispeech_long(
    folder: str | Path, *, base_url: str = LIBRISPEECH_LONG
) -> list[Path]:
    """Fetch and unpack LibriSpeech-Long: the test sets in stretches of up to 4 minutes.

    One archive (3 GB) holds all four splits, with
    ``<speaker>/<chapter>/<chapter>_<number>.flac`` and a ``.txt`` beside each. Its
    server publishes no checksum; that of gzip is compared. The folder appears when it
    is complete, and is not fetched again; an interrupted run is continued by the next
    call.
    """
    folder = Path(folder)
    target = folder / "librispeech-long"
    if not target.is_dir():
        archive = folder / f"v0_1{_ARCHIVE}"
        with _working_in(folder) as progress:
            _fetch(base_url, archive, progress)
            _unpack(archive, target.name, target, progress)
    return sorted(path for path in target.iterdir() if path.is_dir())


@contextmanager
def _working_in(folder: Path) -> Iterator[Progress]:
    """Make a folder and show progress; raise InputError if the disk is full."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _progress() as progress:
            yield progress
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise InputError(
            f"{folder}: no space left on the device; free some and run again, "
            "it continues where it stopped"
        ) from error


def _fetch(base_url: str, archive: Path, progress: Progress) -> None:
    if not archive.is_file():
        fetch_file(f"{base_url}/{archive.name}", archive, progress, space_factor=2)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _fetch_checksums(url: str) -> dict[str, str]:
    # Lines of "<md5>  <split>.tar.gz", and of other files.
    try:
        with urlopen(url, timeout=TIMEOUT) as response:
            lines = response.read().decode().splitlines()
    except (*NETWORK_ERRORS, ValueError) as error:
        raise InputError(
            f"{url}: cannot be fetched ({error}); check the network and the base URL"
        ) from error
    pairs = [line.split() for line in lines if line.endswith(_ARCHIVE)]
    return {name.removesuffix(_ARCHIVE): md5 for md5, name in pairs}


def _require_known(splits: list[str], checksums: dict[str, str], base_url: str) -> None:
    for split in splits:
        if split not in checksums:
            known = ", ".join(sorted(checksums))
            raise InputError(f"{split}: no such split at {base_url}; it has: {known}")


def _verify(archive: Path, md5: str, progress: Progress) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with progress.open(archive, "rb", description=f"{archive.name}: verify") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != md5:
        archive.unlink()
        raise InputError(
            f"{archive}: wrong checksum, so it was deleted; run again to fetch it anew"
        )


def _unpack(archive: Path, member: str, target: Path, progress: Progress) -> None:
    """Make the target of a folder of the archive, then delete the archive."""
    unfinished = archive.with_name(f"{target.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with (
            progress.open(archive, "rb", description=f"{archive.name}: unpack") as file,
            gzip.GzipFile(fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="r|") as tar,
        ):
            tar.extractall(unfinished, filter="data")
            # to the end, where gzip compares its checksum
            while packed.read(1 << 20):
                pass
        unpacked = unfinished / member
        if not unpacked.is_dir():
            raise tarfile.TarError(f"it holds no {member}")
        target.parent.mkdir(exist_ok=True)
        for path in unpacked.parent.glob("*.TXT"):
            os.replace(path, target.parent / path.name)
        # Last, since the folder's presence marks the split as complete.
        os.replace(unpacked, target)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"{archive}: cannot be unpacked ({error}); delete it and run again"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    archive.unlink()
