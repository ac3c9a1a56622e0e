"""Fetch one large file over HTTP, continuing where a cut connection stopped."""

import http.client
import os
import shutil
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rich.progress import Progress, TaskID

from lact_modules.errors import InputError

ATTEMPTS = 6
"""Failures in a row, without a new byte, after which a fetch gives up."""

FIRST_WAIT = 1.0
"""Seconds before the second attempt; doubled before each further one."""

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""

# Faults of the network, not of the disk: OSError would take in both.
NETWORK_ERRORS = (URLError, http.client.HTTPException, ConnectionError, TimeoutError)

_BLOCK = 1 << 20


def fetch_file(
    url: str, path: Path, progress: Progress, *, space_factor: float = 1.0
) -> None:
    """Fetch a file; its name appears when it is complete.

    Until then it is ``<name>.part``, which another call continues, with a server that
    knows HTTP ranges. Faults of the network are tried again after a pause. Space for
    `space_factor` files has to be free: 2 if one is unpacked beside it.
    """
    unfinished = path.with_name(path.name + ".part")
    task = progress.add_task(path.name, total=None)
    failures = 0
    while True:
        size_before = _size(unfinished)
        try:
            _fetch_rest(url, unfinished, progress, task, space_factor)
            break
        except NETWORK_ERRORS as error:
            if isinstance(error, HTTPError) and error.code < 500:
                raise InputError(f"{url}: the server refuses it ({error})") from error
            failures = 1 if _size(unfinished) > size_before else failures + 1
            if failures == ATTEMPTS:
                raise InputError(
                    f"{url}: gave up after {ATTEMPTS} attempts ({error}); "
                    "run again to continue where it stopped"
                ) from error
            time.sleep(FIRST_WAIT * 2 ** (failures - 1))
    os.replace(unfinished, path)


def _fetch_rest(
    url: str, unfinished: Path, progress: Progress, task: TaskID, space_factor: float
) -> None:
    start = _size(unfinished)
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        # Nothing is missing: the last run stopped just before the renaming.
        if start and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        raise
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            start = 0
        total = start + int(response.headers.get("Content-Length", 0))
        _require_space(unfinished, round(space_factor * total) - start)
        progress.update(task, completed=start, total=total)
        with open(unfinished, "ab" if start else "wb") as stream:
            while block := response.read(_BLOCK):
                stream.write(block)
                progress.advance(task, len(block))
    if _size(unfinished) < total:
        raise ConnectionError(f"cut at byte {_size(unfinished)} of {total}")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _require_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise InputError(
            f"{path.parent}: no space left for {path.stem}: {needed / 1e9:.1f} GB "
            f"needed, {free / 1e9:.1f} GB free; free some and run again"
        )
