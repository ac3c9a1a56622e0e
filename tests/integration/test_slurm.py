"""The jobs of scripts/slurm, on a Slurm cluster of this one machine."""

import contextlib
import getpass
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lact_modules.data.synthetic.corpus import make_corpus

ROOT = Path(__file__).parents[2]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, PROGRAMS)), reason="Slurm and munge not installed"
    ),
]

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CryptoType=crypto/munge
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(is_done, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_done():
            return True
        time.sleep(0.5)
    return False


class Cluster:
    """Runs commands of Slurm, and returns their output."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def run(self, *command, **settings):
        finished = subprocess.run(
            list(map(str, command)),
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def job(self, number, key):
        shown = self.run("scontrol", "show", "job", number)
        return re.search(rf"\b{key}=(\S*)", shown)[1]


def write_configuration(folder):
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    configuration = CONFIGURATION.format(
        host=socket.gethostname().partition(".")[0],
        user=getpass.getuser(),
        folder=folder,
        controller_port=free_port(),
        node_port=free_port(),
        cores=os.cpu_count(),
    )
    (folder / "slurm.conf").write_text(configuration)
    # read only where the cgroup plugins are looked for
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    write_configuration(folder)
    cluster = Cluster(folder)
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "seed", "pid")]
    daemons = [
        [
            "munged",
            "--foreground",
            "--force",
            f"--socket={folder}/munge.socket",
            *munge,
        ],
        ["slurmctld", "-D"],
        ["slurmd", "-D"],
    ]
    with contextlib.ExitStack() as stack:
        for command in daemons:
            log = stack.enter_context(open(folder / f"{command[0]}.out", "w"))
            options = {"env": cluster.environment, "stdout": log, "stderr": log}
            process = stack.enter_context(subprocess.Popen(command, **options))
            stack.callback(process.terminate)
            # each needs the one before
            time.sleep(1)
        is_up = wait_until(lambda: "idle" in cluster.run("sinfo", "-h"), 30)
        if not is_up:
            pytest.skip("Slurm's daemons do not run here")
        yield cluster
        cluster.run("scancel", "--user", getpass.getuser())


@pytest.fixture
def settings(tmp_path):
    """What a user exports before submitting; a corpus of 20 utterances."""
    make_corpus(tmp_path, train=20, dev=4, test=4, workers=1)
    return {
        "LACT_BIN": str(Path(sys.executable).parent),
        "LACT_DATA": str(tmp_path),
        "LACT_TRAIN_SPLITS": "train",
        "LACT_DEV_SPLITS": "dev",
        "LACT_TEST_SPLITS": "test",
        "LACT_HPARAMS": "lact_demo",
        "LACT_RUN": str(tmp_path / "run"),
        "LACT_LOGS": str(tmp_path / "logs"),
        "LACT_GPUS": "0",
        "LACT_CPUS": "1",
        "LACT_MEMORY": "500M",
        "LACT_TIME": "1:00:00",
    }


def test_a_job_that_is_stopped_goes_back_into_the_queue_and_resumes(
    cluster, settings, tmp_path
):
    submitted = cluster.run(
        ROOT / "scripts" / "slurm" / "submit.sh",
        *("prepare", "train", "evaluate", "--"),
        *("--d_model", 32, "--encoder", "{num_layers: 1}"),
        *("--frontend", "{channels: 4}", "--num_epochs", 40),
        *("--max_batch_size", 2, "--max_batch_length", 1000, "--log_interval", 1),
        **settings,
    )
    jobs = dict(re.findall(r"(\w+): (\d+)", submitted))
    assert list(jobs) == ["prepare", "train", "evaluate"]
    run, train, evaluate = tmp_path / "run", jobs["train"], jobs["evaluate"]

    def steps():
        lines = (run / "metrics.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry["step"] for entry in entries if entry["split"] == "train"]

    def has_come_to(step):
        return (run / "metrics.jsonl").exists() and max(steps(), default=0) >= step

    def has_restarted(times):
        return cluster.job(train, "Restarts") == str(times)

    # what Slurm sends before the time limit
    assert wait_until(lambda: has_come_to(20), 60)
    cluster.run("scancel", "--batch", "--signal=USR1", train)
    assert wait_until(lambda: has_restarted(1), 60)
    # what preemption does
    later = max(steps()) + 20
    assert wait_until(lambda: has_come_to(later), 90)
    cluster.run("scontrol", "requeue", train)
    assert wait_until(lambda: has_restarted(2), 60)

    assert wait_until(lambda: cluster.job(train, "JobState") == "COMPLETED", 240)
    log = (run / "log.txt").read_text()
    assert log.count("asked to stop: saved step") == 2
    # no step is done twice
    assert steps() == list(range(1, 401))
    assert (run / "result.json").exists()
    assert wait_until(lambda: cluster.job(evaluate, "JobState") == "COMPLETED", 60)
    assert "wer" in (run / "evaluation_test.json").read_text()
