"""What scripts/slurm/submit.sh asks of Slurm, whose sbatch is a stand-in here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUBMIT = Path(__file__).parents[2] / "scripts" / "slurm" / "submit.sh"

SBATCH = f"""#!{sys.executable}
import json, os, sys
path = os.environ["SUBMITTED"]
number = 100 + (len(open(path).readlines()) if os.path.exists(path) else 0)
with open(path, "a") as stream:
    print(json.dumps(sys.argv[1:]), file=stream)
print(number)
"""


@pytest.fixture
def submit(tmp_path):
    """Run submit.sh: its exit code and error, and the arguments of each sbatch."""
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(SBATCH)
    sbatch.chmod(0o755)
    submitted = tmp_path / "submitted.jsonl"

    def run(*arguments, **settings):
        environment = {
            **os.environ,
            "PATH": f"{sbatch.parent}:{os.environ['PATH']}",
            "SUBMITTED": str(submitted),
            "LACT_LOGS": str(tmp_path / "logs"),
            **settings,
        }
        finished = subprocess.run(
            [SUBMIT, *arguments], env=environment, capture_output=True, text=True
        )
        lines = submitted.read_text().splitlines() if submitted.exists() else []
        return finished.returncode, finished.stderr, list(map(json.loads, lines))

    return run


def test_each_job_waits_for_the_one_before(submit):
    code, _, jobs = submit()
    assert code == 0
    scripts = [job[-1] for job in jobs]
    names = ("download", "prepare", "train", "evaluate")
    assert scripts == [f"scripts/slurm/{name}.sh" for name in names]
    waits = [[word for word in job if "dependency" in word] for job in jobs]
    assert waits == [[], *([f"--dependency=afterok:{n}"] for n in (100, 101, 102))]


def test_training_alone_gets_nodes_signals_and_options(submit):
    _, _, jobs = submit(
        *("train", "evaluate", "--", "--encoder", "{num_layers: 1, dropout: 0.0}"),
        LACT_NODES="2",
        LACT_GPUS="4",
        LACT_WARNING="60",
        LACT_PARTITION="gpu",
    )
    train, evaluate = jobs
    script = train.index("scripts/slurm/train.sh")
    assert train[script + 1 :] == ["--encoder", "{num_layers: 1, dropout: 0.0}"]
    wanted = {"--nodes=2", "--gpus-per-node=4", "--requeue", "--signal=B:USR1@60"}
    assert wanted <= set(train)
    assert not wanted & set(evaluate)
    assert "--gpus-per-node=1" in evaluate
    assert all("--partition=gpu" in job for job in jobs)


def test_without_gpus_none_are_requested(submit):
    _, _, jobs = submit("train", "evaluate", LACT_GPUS="0")
    assert not any("--gpu" in word for job in jobs for word in job)


def test_an_unknown_job_is_refused(submit):
    code, error, jobs = submit("train", "trian")
    assert code == 2
    assert "no job trian; choose from download, prepare, train, evaluate" in error
    assert not jobs
