import os
import signal
import socket
import subprocess
import sys
from datetime import datetime

import pytest

from lact_modules.errors import InputError
from lact_modules.training.startup.folder_lock import only_training_in

# holds the lock, and so does a worker that it has forked, if it may
HOLD = """
import multiprocessing, sys, time
from lact_modules.training.startup.folder_lock import only_training_in

with only_training_in(sys.argv[1]):
    multiprocessing.get_context("fork").Process(target=time.sleep, args=[30]).start()
    print("held", flush=True)
    time.sleep(30)
"""


@pytest.fixture
def holder(tmp_path):
    """Hold the lock of a folder in another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_the_process_that_trains_in_a_folder_is_named_and_a_dead_one_is_no_obstacle(
    holder, tmp_path
):
    with pytest.raises(InputError) as caught, only_training_in(tmp_path):
        pass
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: process {holder.pid} on ")
    assert socket.gethostname() in message
    since = message.split("since ")[1].split(";")[0]
    age = datetime.now().astimezone() - datetime.fromisoformat(since)
    assert 0 <= age.total_seconds() < 60
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    # its worker lives on
    with only_training_in(tmp_path):
        pass


def test_a_folder_is_free_after_a_training_whatever_ended_it(tmp_path):
    for error in (SystemExit, KeyboardInterrupt, ValueError):
        with pytest.raises(error), only_training_in(tmp_path):
            raise error
    with only_training_in(tmp_path), only_training_in(tmp_path / "other"):
        pass


def test_file_systems_without_locks_are_reported(tmp_path, monkeypatch, caplog):
    def fail(*arguments):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", fail)
    with only_training_in(tmp_path):
        assert "no locks" in caplog.text
