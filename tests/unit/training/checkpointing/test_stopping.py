import os
import signal

import pytest

from lact_modules.training.checkpointing import stopping
from lact_modules.training.checkpointing.stopping import SIGNALS, StopRequest


def ask(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_is_noted_within_the_block_alone(number):
    before = signal.getsignal(number)
    request = StopRequest()
    with request:
        assert not request.was_made()
        ask(number)
        assert request.was_made()
    assert signal.getsignal(number) is before


def test_what_nohup_ignores_asks_for_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as request:
            ask(signal.SIGHUP)
            assert not request.was_made()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_error_restores_what_signals_did():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ValueError), StopRequest():
        raise ValueError
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_obeying_ends_the_process_with_the_code_of_the_signal(number, code):
    with StopRequest() as request:
        ask(number)
    assert request.was_made()
    with pytest.raises(SystemExit) as stop:
        request.obey(step=3)
    assert stop.value.code == code


def test_a_second_ctrl_c_ends_at_once(monkeypatch):
    with StopRequest() as request:
        ask(signal.SIGINT)
        # as torchrun sends it on
        ask(signal.SIGINT)
        monkeypatch.setattr(stopping, "_SAME_PRESS_S", -1.0)
        with pytest.raises(SystemExit) as stop:
            ask(signal.SIGINT)
    assert stop.value.code == 130
    assert request.was_made()
