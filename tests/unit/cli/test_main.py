import errno
import os
import subprocess
import sys

import pytest

from lact_modules.cli import main as module
from lact_modules.errors import InputError


@pytest.fixture
def failing(lact_asr, monkeypatch):
    def run(error):
        def fail():
            raise error

        monkeypatch.setattr(module, "app", fail)
        return lact_asr()

    return run


def test_help_names_every_subcommand(lact_asr):
    finished = lact_asr("--help")
    assert finished.code == 0
    assert all(name in finished.out for name in module.SUBCOMMANDS)


def test_help_comes_without_torch():
    code = (
        "import sys; import lact_modules.cli.main; "
        "print({'torch', 'speechbrain', 'numpy'} & set(sys.modules))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("a.wav: not audio"), "lact-asr: a.wav: not audio\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "lact-asr: output: no space left on the device; free some and rerun\n",
        ),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/out"),
            "lact-asr: /out: Permission denied\n",
        ),
    ],
)
def test_a_fault_is_one_line_and_code_2(failing, error, line):
    assert failing(error) == (2, "", line)


def test_a_fault_of_the_program_keeps_its_traceback(lact_asr, monkeypatch):
    def fail():
        raise OSError("odd")

    monkeypatch.setattr(module, "app", fail)
    with pytest.raises(OSError, match="odd"):
        module.main()
