"""A corpus on a Ray of two workers, some of which die of it."""

import json
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from lact_modules.inference.corpus.part_folder import PartFolder

ray = pytest.importorskip("ray")
Cluster = pytest.importorskip("ray.cluster_utils").Cluster
pytestmark = pytest.mark.slow

# the first in the last part, the second in the first
ONCE, ALWAYS, MACHINE = "z.once.wav", "0.always.wav", "m.machine.wav"


# Ray keeps the first that a process has
TOKEN = uuid4().hex


def kill_readers():
    """Let workers die of some files, as of those that a library crashes at.

    Of one its machine goes down: Ray's own process, and with it what it holds.
    """
    import os
    import signal
    import sys
    from pathlib import Path

    def die(event, arguments):
        if event != "open" or not isinstance(arguments[0], str):
            return
        name = os.path.basename(arguments[0])
        if not name.endswith((".once.wav", ".always.wav", ".machine.wav")):
            return
        died = Path(os.environ["DIED_OF"], f"{name}.txt")
        if "always" in name or not died.exists():
            with open(died, "a") as stream:
                stream.write("x")
            if "machine" in name:
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)


@pytest.fixture
def connect(tmp_path, monkeypatch):
    """Return what connects to Ray, whose workers die of files of these names."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # else one is made in the home folder
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    # a busy machine takes longer than Ray waits
    for name in ("raylet_start_wait_time_s", "worker_register_timeout_seconds"):
        monkeypatch.setenv(f"RAY_{name}", "300")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield partial(
        ray.init,
        include_dashboard=False,
        runtime_env={
            "worker_process_setup_hook": kill_readers,
            "env_vars": {"DIED_OF": str(tmp_path)},
        },
    )
    ray.shutdown()


@pytest.fixture
def two_workers(connect):
    connect(num_cpus=2, object_store_memory=100 * 2**20)


@pytest.fixture
def two_machines(connect, monkeypatch):
    """Start three of Ray's machines, all here: one that lists, and two that work.

    Results stay on the machine that made them until they are asked for.
    """
    monkeypatch.setenv("RAY_max_direct_call_object_size", "1")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    connect(address=cluster.address)
    yield
    ray.shutdown()
    cluster.shutdown()


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
    two_workers, transcribe, twenty_files, tmp_path, monkeypatch
):
    corpus = tmp_path / "corpus"
    shutil.copytree(twenty_files, corpus)
    first, second = sorted(twenty_files.iterdir())[:2]
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
    code, output = transcribe(*ray_command)
    assert code == 2
    assert len((tmp_path / f"{ONCE}.txt").read_text()) == 1
    # at first, and twice again
    assert len((tmp_path / f"{ALWAYS}.txt").read_text()) == 3
    number = int(deadly.removeprefix("part-").removesuffix(".jsonl"))
    assert f"part {number}: workers died" in output
    assert "y.broken.wav" in output
    del wanted[deadly]
    assert read_parts(tmp_path / "by_ray") == wanted

    # what is left is for another run, here of this process
    code, output = transcribe(*command, "--output", "by_ray")
    assert f"{len(wanted) + 1} parts, {len(wanted)} from before" in output
    assert read_parts(tmp_path / "by_ray") == read_parts(local)

    # what a worker refuses is reported as without workers
    options = "--output", "other", "--exit-block", 9
    _, refused = transcribe("corpus", "--part-size", 100, *options)
    code, output = transcribe("corpus", "--engine", "ray", *options)
    assert code == 2
    assert output.splitlines()[-1] == refused.splitlines()[-1]
    assert not Path("other").exists()


def test_a_machine_that_goes_down_loses_and_doubles_nothing(
    two_machines, lact_asr, trained_run, twenty_files, tmp_path, monkeypatch
):
    corpus = tmp_path / "corpus"
    shutil.copytree(twenty_files, corpus)
    shutil.copy(corpus / "00.wav", corpus / MACHINE)
    rows = [
        {"id": path.stem, "audio_filepath": str(path), "text": "A B"}
        for path in sorted(corpus.iterdir())
    ]
    manifest = tmp_path / "corpus.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def evaluate(name, *options):
        output = "--output", tmp_path / name, "--part-size", 2
        command = "evaluate", "--model", trained_run, "--data", manifest, *output
        finished = lact_asr(*command, "--json", tmp_path / f"{name}.json", *options)
        assert finished.code == 0, finished.err
        scores = json.loads((tmp_path / f"{name}.json").read_text())
        return {key: scores[key] for key in scores.keys() - {"wall_s", "rtf"}}

    here = evaluate("here")
    died, write = tmp_path / f"{MACHINE}.txt", PartFolder.write

    def write_late(folder, part):
        until = time.monotonic() + 120
        while not died.exists() and time.monotonic() < until:
            time.sleep(0.1)
        write(folder, part)

    monkeypatch.setattr(PartFolder, "write", write_late)
    assert evaluate("by_ray", "--engine", "ray") == here
    assert read_parts(tmp_path / "by_ray") == read_parts(tmp_path / "here")
    assert len(died.read_text()) == 1
    assert sum(node["Alive"] for node in ray.nodes()) == 2
