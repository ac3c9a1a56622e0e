"""Run the command line as a user does."""

import io
import sys
from typing import NamedTuple

import pytest

from lact_modules.cli.main import main


class Finished(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def lact_asr(monkeypatch, capsys):
    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["lact-asr", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as caught:
            main()
        return Finished(caught.value.code or 0, *capsys.readouterr())

    return run
