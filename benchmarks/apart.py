"""Measure in a process of its own, which may grow so large and take so long."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch
from resident import memory_mib

from lact_modules.errors import InputError

# imported once for all processes that begin as copies
_PRELOADED = ["__main__", "lact_modules.integrations.speechbrain"]


class Limits(NamedTuple):
    """What may be spent on one measurement.

    Arguments
    ---------
    seconds : float
        Until it is given up.
    memory_gib : float
        That the process may have, of the device's.
    device : str
        Where it computes: cpu or cuda.
    """

    seconds: float
    memory_gib: float
    device: str

    def hold(self) -> None:
        """Let this process have no more memory; what it has already is kept."""
        if self.device == "cuda":
            share = self.memory_gib * 2**30 / torch.cuda.mem_get_info()[1]
            torch.cuda.set_per_process_memory_fraction(min(1.0, share))
            return
        import resource

        room_mib = 1024 * self.memory_gib - memory_mib()
        limit = round((memory_mib("VmData") + max(0.0, room_mib)) * 2**20)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def run_apart(
    function: Callable[..., Any],
    limits: Limits,
    *arguments: Any,
    start: str = "forkserver",
) -> Any:
    """Call a function in a process of its own.

    Arguments
    ---------
    function : Callable[..., Any]
        Of a module; its result can be pickled, and is no text.
    limits : Limits
        Of time and memory.
    *arguments : Any
        Its own.
    start : str
        ``forkserver`` for a copy of a process that has imported what it needs;
        ``spawn`` for one that imports it anew, so that its size shows what that takes.

    Returns
    -------
    Any
        What it gave back, or a text that names the limit that ended it.

    Raises
    ------
    InputError
        As it raised it.
    RuntimeError
        If it failed in another way.
    """
    context = multiprocessing.get_context(start)
    context.set_forkserver_preload(_PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_answer, args=(sender, function, limits, arguments), daemon=True
    )
    process.start()
    sender.close()
    try:
        if not receiver.poll(limits.seconds):
            return f"more than {limits.seconds:g} s"
        outcome = receiver.recv()
    except EOFError:
        # the kernel ends what takes more than there is
        outcome = MemoryError()
    finally:
        process.kill()
        process.join()
    if isinstance(outcome, MemoryError):
        return memory_reason(limits)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def run_here(function: Callable[..., Any], limits: Limits, *arguments: Any) -> Any:
    """Call a function that computes on a GPU, whose memory is counted separately.

    As `run_apart`; the limit of seconds is not kept.
    """
    limits.hold()
    try:
        return function(*arguments)
    except RuntimeError as error:
        if not is_memory_error(error):
            raise
    torch.cuda.empty_cache()
    return memory_reason(limits)


def memory_reason(limits: Limits) -> str:
    """Report that there was too little memory."""
    return f"more than {limits.memory_gib:g} GiB"


def is_memory_error(error: BaseException) -> bool:
    """Return whether memory ran out, by the text of PyTorch's error."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "memory" in str(error)
    )


def _answer(
    sender: Connection,
    function: Callable[..., Any],
    limits: Limits,
    arguments: tuple[Any, ...],
) -> None:
    try:
        limits.hold()
        outcome = function(*arguments)
    except InputError as error:
        outcome = error
    except Exception as error:
        # some of PyTorch's cannot be pickled
        kind = MemoryError if is_memory_error(error) else RuntimeError
        outcome = kind(f"{function.__name__}: {error}")
    sender.send(outcome)
