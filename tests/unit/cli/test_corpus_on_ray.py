"""A corpus on a Ray of two workers, some of which die of it."""

import json
import shutil
import sys
from pathlib import Path
from uuid import uuid4

import pytest

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow

# the one in the first part, the other in the last
ALWAYS, ONCE = "a.always.flac", "z.once.flac"


def kill_readers():
    """Let workers die of some files, as of those that a library crashes at."""
    import os
    import signal
    import sys
    from pathlib import Path

    def die(event, arguments):
        if event != "open" or not isinstance(arguments[0], str):
            return
        name = os.path.basename(arguments[0])
        if not name.endswith((".once.flac", ".always.flac")):
            return
        died = Path(os.environ["DIED_OF"], f"{name}.txt")
        if "always" in name or not died.exists():
            with open(died, "a") as stream:
                stream.write("x")
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)


@pytest.fixture
def two_workers(tmp_path, monkeypatch):
    """Start Ray, whose workers die of what is called so."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # else one is made in the home folder
    monkeypatch.setenv("RAY_AUTH_TOKEN", uuid4().hex)
    # a busy machine takes longer than Ray waits
    for name in ("raylet_start_wait_time_s", "worker_register_timeout_seconds"):
        monkeypatch.setenv(f"RAY_{name}", "300")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        runtime_env={
            "worker_process_setup_hook": kill_readers,
            "env_vars": {"DIED_OF": str(tmp_path)},
        },
    )
    yield
    ray.shutdown()


@pytest.fixture
def transcribe(lact_asr, trained_run):
    def run(*arguments):
        finished = lact_asr("transcribe", "--model", trained_run, *arguments)
        return finished.code, finished.err

    return run


def read_parts(folder):
    return {
        path.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("part-*.jsonl"))
    }


def test_workers_that_die_lose_and_double_nothing(
    two_workers, transcribe, audio_folder, tmp_path, monkeypatch
):
    corpus = tmp_path / "corpus"
    shutil.copytree(audio_folder, corpus)
    first, second = sorted(audio_folder.iterdir())[:2]
    shutil.copy(first, corpus / ONCE)
    shutil.copy(second, corpus / ALWAYS)
    (corpus / "y.broken.wav").write_bytes(b"not audio")
    # workers run elsewhere
    monkeypatch.chdir(tmp_path)
    command = "corpus", "--part-size", 2, "--beam-size", 2
    local = tmp_path / "local"
    assert transcribe(*command, "--output", local)[0] == 2
    wanted = read_parts(local)
    [deadly] = [
        name
        for name, lines in wanted.items()
        if any(ALWAYS in line["file"] for line in lines)
    ]

    ray_command = *command, "--engine", "ray", "--output", "by_ray"
    code, told = transcribe(*ray_command)
    assert code == 2
    assert len((tmp_path / f"{ONCE}.txt").read_text()) == 1
    # at first, and twice again
    assert len((tmp_path / f"{ALWAYS}.txt").read_text()) == 3
    number = int(deadly.removeprefix("part-").removesuffix(".jsonl"))
    assert f"part {number}: workers died" in told
    assert "y.broken.wav" in told
    del wanted[deadly]
    assert read_parts(tmp_path / "by_ray") == wanted

    # what is left is for another run, here of this process
    code, told = transcribe(*command, "--output", "by_ray")
    assert f"{len(wanted) + 1} parts, {len(wanted)} from before" in told
    assert read_parts(tmp_path / "by_ray") == read_parts(local)

    # what a worker refuses is told as if there were none
    options = "--output", "other", "--exit-block", 9
    _, refused = transcribe("corpus", "--part-size", 100, *options)
    code, told = transcribe("corpus", "--engine", "ray", *options)
    assert code == 2
    assert told.splitlines()[-1] == refused.splitlines()[-1]
    assert not Path("other").exists()
