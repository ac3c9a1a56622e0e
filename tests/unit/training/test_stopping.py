import os
import signal

import pytest

from lact_modules.training.stopping import EXIT_CODE, StopRequest


def ask():
    os.kill(os.getpid(), signal.SIGTERM)


def test_is_noted_within_the_block_alone():
    before = signal.getsignal(signal.SIGTERM)
    request = StopRequest()
    with request:
        assert not request.was_made()
        ask()
        assert request.was_made()
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_error_restores_what_sigterm_did():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError), StopRequest():
        raise ValueError
    assert signal.getsignal(signal.SIGTERM) is before


def test_obeying_ends_the_process_with_the_code_of_sigterm():
    with pytest.raises(SystemExit) as stop:
        StopRequest().obey(step=3)
    assert stop.value.code == EXIT_CODE == 143
