"""One training in a folder at a time."""

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from lact_modules.errors import InputError
from lact_modules.training.parallel.main_process import from_main

LOCK_FILE = ".lock"

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def only_training_in(folder: str | Path) -> Iterator[None]:
    """Keep other trainings out of a folder, within a ``with`` block.

    The lock is the operating system's: it ends with the process, however that ends. Of
    several processes of a training the main one takes it.
    """
    with contextlib.ExitStack() as stack:
        from_main(lambda: stack.enter_context(_locked(Path(folder))))
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--output_folder {folder}: cannot be made ({error.strerror}); name another"
        ) from error
    path = folder / LOCK_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    _held.add(descriptor)
    try:
        _lock(descriptor, folder)
        _note_holder(descriptor)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(
            f"{folder}: {_holder(descriptor)}; wait for it, end it, or take another "
            "output_folder"
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        logger.warning(
            "%s: this file system has no locks; see that no other training writes here",
            folder,
        )


def _note_holder(descriptor: int) -> None:
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, (json.dumps(holder) + "\n").encode(), 0)


def _holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
        return "process {pid} on {host} trains here since {since}".format(**holder)
    # it has not written yet
    except (ValueError, TypeError, KeyError):
        return "another process trains here"


# of this process; what it forks, such as workers that load data, is to hold no lock
# when it outlives it
_held: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
