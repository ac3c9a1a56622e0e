"""Run the command line as a user does."""

import io
import shutil
import signal
import sys
from typing import NamedTuple

import pytest

from lact_modules.cli.main import main
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams


class Finished(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def lact_asr(monkeypatch, capsys):
    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["lact-asr", *map(str, arguments)])
        given = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as caught:
            main()
        return Finished(caught.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def split(audio_folder, tmp_path):
    """Make a split in LibriSpeech's layout out of three noises."""
    chapter = tmp_path / "test" / "7" / "1"
    chapter.mkdir(parents=True)
    for index in range(3):
        source = audio_folder / f"noise-{index}.flac"
        shutil.copy(source, chapter / f"7-1-000{index}.flac")
    transcripts = "".join(f"7-1-000{index} A B\n" for index in range(3))
    (chapter / "7-1.trans.txt").write_text(transcripts)
    return tmp_path / "test"


@pytest.fixture
def lm(tmp_path):
    """Make an n-gram model of words that the trained run can spell."""
    path = tmp_path / "lm.arpa"
    write_arpa(path, estimate_ngrams(["A B", "B A B", "D C"], order=2))
    return path


@pytest.fixture
def heeds_interrupts():
    """Let SIGINT interrupt, also where the shell that started the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
