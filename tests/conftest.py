"""What all tests share: one thread, since the tests compute little."""

import logging
import sys

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def restore_logging(monkeypatch):
    """Undo what a launched recipe does to logging and to uncaught exceptions."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    for handler in set(logging.root.handlers) - set(handlers):
        handler.close()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
