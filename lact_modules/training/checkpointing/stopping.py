"""End a training at a checkpoint when the system or the user asks it to end."""

import logging
import os
import signal
import stat
import sys
import time
from types import FrameType, TracebackType
from typing import NoReturn

import torch
from speechbrain.utils.distributed import ddp_all_reduce

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Those that ask a training to end: also Ctrl-C, and a terminal that is closed."""

_SAME_PRESS_S = 2.0


class StopRequest:
    """Note that a signal asks to stop, within a ``with`` block, instead of ending.

    Cluster managers and ``torchrun`` send SIGTERM some time before they kill. Another
    Ctrl-C, some seconds after the first, ends at once. Signals that are ignored, as by
    ``nohup``, stay so.
    """

    def __init__(self) -> None:
        self._signal, self._noted_at = 0, 0.0

    def __enter__(self) -> "StopRequest":
        self._previous = {
            each: signal.signal(each, self._note)
            for each in SIGNALS
            if signal.getsignal(each) is not signal.SIG_IGN
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if number == signal.SIGINT:
            # torchrun forwards signals from the terminal to all
            if self._signal and now - self._noted_at > _SAME_PRESS_S:
                raise SystemExit(128 + number)
            # a logger may be at work when the signal arrives
            os.write(2, b"asked to stop: saving first; Ctrl-C again ends at once\n")
        if number == signal.SIGHUP:
            _leave_terminal()
        self._signal, self._noted_at = number, now

    def was_made(self, device: str | torch.device = "cpu") -> bool:
        """Return whether any process was asked to stop; all processes must call it."""
        flag = torch.tensor(float(self._signal), device=device)
        self._signal = int(ddp_all_reduce(flag, torch.distributed.ReduceOp.MAX))
        return self._signal > 0

    def obey(self, step: int) -> NoReturn:
        """End the process; the log names the step whose checkpoint was saved."""
        logger.info(
            "asked to stop: saved step %d; run the same command again to resume", step
        )
        sys.exit(128 + self._signal)


def _leave_terminal() -> None:
    """Keep a bar of progress from failing on a terminal that was closed."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        for stream in (1, 2):
            if stat.S_ISCHR(os.fstat(stream).st_mode) and not os.isatty(stream):
                os.dup2(nowhere.fileno(), stream)


def leave_process_group(worker: int = 0) -> None:
    """Keep a data loader's worker process from signals that are not meant for it.

    A request that reaches the whole group of a process would end its workers first,
    and so the training by an error. They end with the process still.
    """
    os.setpgrp()
