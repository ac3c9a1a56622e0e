"""End a training at a checkpoint when the system asks the process to end."""

import logging
import os
import signal
import sys
from types import FrameType, TracebackType
from typing import NoReturn

import torch
from speechbrain.utils.distributed import ddp_all_reduce

logger = logging.getLogger(__name__)

EXIT_CODE = 128 + signal.SIGTERM
"""Of a training that was stopped, as of any process that SIGTERM ends."""


class StopRequest:
    """Note that SIGTERM came, within a ``with`` block, instead of ending at once.

    Cluster managers and ``torchrun`` send it some time before they kill.

    Example
    -------
    >>> import os
    >>> request = StopRequest()
    >>> with request:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    >>> request.was_made()
    True
    """

    def __init__(self) -> None:
        self._was_made = False

    def __enter__(self) -> None:
        self._previous = signal.signal(signal.SIGTERM, self._note)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGTERM, self._previous)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._was_made = True

    def was_made(self, device: str | torch.device = "cpu") -> bool:
        """Tell whether any process of the training was asked; all must call it.

        Arguments
        ---------
        device : str | torch.device
            Where processes exchange tensors.

        Returns
        -------
        bool
            The same in all processes.
        """
        flag = torch.tensor(float(self._was_made), device=device)
        return bool(ddp_all_reduce(flag, torch.distributed.ReduceOp.MAX))

    def obey(self, step: int) -> NoReturn:
        """End the process.

        Arguments
        ---------
        step : int
            Optimizer step whose checkpoint was saved, for the log.
        """
        logger.info("asked to stop: saved step %d; run again to resume", step)
        sys.exit(EXIT_CODE)


def leave_process_group(worker: int = 0) -> None:
    """Keep a data loader's worker process from signals that are not meant for it.

    A request that reaches the whole group of a process would end its workers first,
    and so the training by an error. They end with the process still.

    Arguments
    ---------
    worker : int
        Which one.
    """
    os.setpgrp()
