import errno
import logging
import os
import re
import signal
import subprocess
import sys

import pytest

from lact_modules import __version__
from lact_modules.cli import main as module
from lact_modules.cli.terminal.output import open_output
from lact_modules.errors import InputError


@pytest.fixture
def failing(lact_asr, monkeypatch):
    def run(fault):
        def fail():
            if callable(fault):
                fault()
            raise fault

        monkeypatch.setattr(module, "app", fail)
        return lact_asr()

    return run


def test_help_names_every_subcommand(lact_asr):
    finished = lact_asr("--help")
    assert finished.code == 0
    assert all(name in finished.out for name in module.SUBCOMMANDS)


def test_the_version(lact_asr):
    assert lact_asr("--version") == (0, f"lact-asr {__version__}\n", "")


def run_program(*setup, **options):
    """Run the installed program, that its last words at Python's end are seen too."""
    code = "from lact_modules.cli.main import main; main()"
    command = [*setup, sys.executable, "-c", code, "--version"]
    return subprocess.run(
        command, stderr=subprocess.PIPE, text=True, check=False, **options
    )


def test_a_reader_that_has_gone_makes_no_noise():
    reading, writing = os.pipe()
    os.close(reading)
    finished = run_program(stdout=writing)
    os.close(writing)
    assert (finished.returncode, finished.stderr) == (1, "")


@pytest.mark.parametrize("closing", ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_make_no_noise(closing):
    finished = run_program("sh", "-c", f'exec "$@" {closing}', "sh")
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk here")
def test_a_full_disk_is_one_line():
    with open("/dev/full", "w") as full:
        finished = run_program(stdout=full)
        assert finished.returncode == 2
        assert re.fullmatch(r"lact-asr: output: no space left .*\n", finished.stderr)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk here")
def test_a_log_on_a_full_disk_adds_nothing(failing):
    handler = logging.FileHandler("/dev/full")

    def log():
        logging.getLogger("lact_modules").warning("a line of the log")
        raise OSError(errno.ENOSPC, "No space left on device", "log.txt")

    logging.getLogger("lact_modules").addHandler(handler)
    try:
        finished = failing(log)
    finally:
        logging.getLogger("lact_modules").removeHandler(handler)
        handler.stream = None
    assert finished.code == 2
    assert finished.err.splitlines()[-1].startswith("lact-asr: log.txt: no space left")
    assert "Logging error" not in finished.err


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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_half_done(failing, tmp_path, number):
    def write():
        with open_output(tmp_path / "out" / "text.txt") as stream:
            stream.write("half")
            os.kill(os.getpid(), number)

    assert failing(write) == (128 + number, "", "")
    assert not any(tmp_path.iterdir())
    assert signal.getsignal(number) is signal.SIG_DFL


def test_what_nohup_ignores_stays_so(failing):
    def go_on():
        os.kill(os.getpid(), signal.SIGHUP)
        raise InputError("a.wav: not audio")

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert failing(go_on).code == 2
    finally:
        signal.signal(signal.SIGHUP, before)
