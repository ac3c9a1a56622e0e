"""Run the command line in a child of this process, within limits."""

import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# what commands import, so that their processes need not; a model is made with dynamo
import torch._dynamo  # noqa: F401

import lact_modules.cli.option.live
import lact_modules.cli.terminal.stream_output
import lact_modules.inference.stream_file
import lact_modules.inference.transcriber  # noqa: F401
from lact_modules.cli.main import main

MAX_SECONDS = 60
MAX_GROWTH = 2 << 30
# bytes of addresses over those of the parent: more than may be used, less than there is
_MAX_ADDRESSES = 6 << 30


class Outcome(NamedTuple):
    """How a command has ended.

    Arguments
    ---------
    code : int
        Exit code; the negative number of a signal.
    out : str
        What it wrote to stdout.
    err : str
        What it wrote to stderr.
    growth : int
        Bytes of memory that it took beyond its parent's.
    seconds : float
        How long it ran.
    """

    code: int
    out: str
    err: str
    growth: int
    seconds: float

    @property
    def fault(self) -> str | None:
        """Name what is wrong with it, None if nothing is."""
        if self.code == -signal.SIGALRM:
            return "hangs"
        if self.code < 0:
            return f"killed by {signal.Signals(-self.code).name}"
        if "Traceback (most recent call last)" in self.err:
            return "traceback"
        if self.growth > MAX_GROWTH:
            return f"takes {self.growth / 2**30:.1f} GiB"
        if self.code not in (0, 2):
            return f"exit code {self.code}"
        if self.code == 2 and not self.err.strip():
            return "fails without a word"
        return None


def run(words: Sequence[str | Path], folder: Path) -> Outcome:
    """Run ``lact-asr`` in a child, in a folder.

    Arguments
    ---------
    words : Sequence[str | Path]
        Its arguments.
    folder : Path
        Where it works.

    Returns
    -------
    Outcome
        After at most `MAX_SECONDS`.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _become(words, folder, out.fileno(), err.fileno())
        _, status, usage = os.wait4(child, 0)
        seconds = time.monotonic() - started
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.buffer.read().decode(errors="replace"))
    code = os.waitstatus_to_exitcode(status)
    return Outcome(code, *texts, (usage.ru_maxrss - own) * 1024, seconds)


def _become(words: Sequence[str | Path], folder: Path, out: int, err: int) -> None:
    """Turn this child into the command; never returns."""
    code = 1
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdin = os.fdopen(0)
        sys.stdout, sys.stderr = (os.fdopen(number, "w") for number in (1, 2))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + _MAX_ADDRESSES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(MAX_SECONDS)
        sys.argv = ["lact-asr", *map(str, words)]
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)
