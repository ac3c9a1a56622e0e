"""What all tests share: one thread, since the tests compute little."""

import contextlib
import logging
import signal
import sys

import pytest
import torch

from tests.fake_hub import hub  # noqa: F401

torch.set_num_threads(1)

# a shell may ignore them, as under nohup, and children would too
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def own_logging():
    """Return a context that undoes what a recipe does to logging and exceptions."""

    @contextlib.contextmanager
    def restore():
        hook, level = sys.excepthook, logging.root.level
        handlers = logging.root.handlers[:]
        try:
            yield
        finally:
            for handler in set(logging.root.handlers) - set(handlers):
                handler.close()
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
            sys.excepthook = hook

    return restore
