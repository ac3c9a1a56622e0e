"""Wait for the Hugging Face hub: for a limited time, and with a warning."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from huggingface_hub import constants, get_session

logger = logging.getLogger(__name__)

WARN_AFTER = 3.0
"""Seconds after which a warning names the server that is waited for."""

# of httpx or its successor, depending on huggingface_hub
_UNREACHABLE = ("ConnectError", "ConnectTimeout")
_SILENT = ("ReadTimeout", "WriteTimeout", "PoolTimeout")


@contextmanager
def hub_session(patience: float = 10.0) -> Iterator[None]:
    """Bound how long huggingface_hub waits for an answer; by itself it waits for ever.

    Arguments
    ---------
    patience : float
        Seconds without a byte, for each request.

    Example
    -------
    >>> with hub_session(patience=5.0):
    ...     len(get_session().event_hooks["request"])
    2
    """

    def bound(request: Any) -> None:
        # functions of huggingface_hub ask for no limit, whatever the session's is
        limits = request.extensions.get("timeout") or {}
        phases = ("connect", "read", "write", "pool")
        bounded = {phase: limits.get(phase) or patience for phase in phases}
        request.extensions["timeout"] = bounded

    session = get_session()
    before = session.event_hooks
    session.event_hooks = {**before, "request": [*before["request"], bound]}
    message = f"still waiting for {constants.ENDPOINT}"
    timer = threading.Timer(WARN_AFTER, logger.warning, [message])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        session.event_hooks = before


def is_unreachable(error: BaseException | None) -> bool:
    """Return whether a fault of huggingface_hub is that there is no connection.

    Arguments
    ---------
    error : BaseException | None
        Looked at with those that led to it.

    Returns
    -------
    bool
        False if the server answers, or is reached and stays silent.

    Example
    -------
    >>> is_unreachable(ValueError("no such model"))
    False
    """
    return _find(error, _UNREACHABLE) is not None


def describe_fault(error: Exception) -> str:
    r"""Describe on one line why a request to the hub failed.

    Arguments
    ---------
    error : Exception
        Of huggingface_hub.

    Returns
    -------
    str
        The hub's message, if there is one.

    Example
    -------
    >>> describe_fault(ValueError("no such model,\nsorry"))
    'no such model, sorry'
    """
    if cause := _find(error, _UNREACHABLE):
        return f"no connection to {constants.ENDPOINT}: {cause}; see to the network"
    if _find(error, _SILENT):
        return f"no answer from {constants.ENDPOINT}; try again later"
    return " ".join(str(error).split()) or type(error).__name__


def _find(error: BaseException | None, names: tuple[str, ...]) -> BaseException | None:
    """Find a fault of some kind among those that led to this one."""
    while error is not None and type(error).__name__ not in names:
        error = error.__cause__ or error.__context__
    return error
