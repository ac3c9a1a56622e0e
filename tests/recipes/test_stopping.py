import os
import re
import signal

import pytest

from lact_modules.training.loop import RecipeBrain

# Ask as the log reports a step: a process and all that it started, or one rank.
STOP = """
import os, runpy, signal, sys
from lact_modules.training.loop import RecipeBrain

rank = int(os.environ.get("RANK", 0))
if "RANK" not in os.environ:
    os.setpgrp()
log = RecipeBrain._log

def log_and_stop(self, split, **values):
    log(self, split, **values)
    if split == "train" and self.optimizer_step == 4:
        if "RANK" not in os.environ:
            os.killpg(0, signal.SIGTERM)
        elif rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)

RecipeBrain._log = log_and_stop
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

OPTIONS = {"num_epochs": 2, "sample_interval": 1, "in_memory": False}


def samples(run):
    return dict(re.findall(r"step (\d+), sample (\S+)", run.log))


def test_saves_and_ends_and_continues_as_if_never_stopped(train, train_apart, tmp_path):
    script = tmp_path / "stop.py"
    script.write_text(STOP)
    stopped = train_apart(script, tmp_path / "run", num_workers=2, **OPTIONS)
    assert stopped.code == 143, stopped.error
    assert stopped.steps() == [1, 2, 3, 4]
    assert stopped.checkpoints().keys() == {4}
    assert "saved step 4; run the same command again to resume" in stopped.log
    assert not (stopped.folder / "result.json").exists()
    resumed = train(tmp_path / "run", **OPTIONS)
    assert resumed.code == 0
    assert resumed.steps() == list(range(1, 21))
    assert samples(resumed) == samples(train(tmp_path / "whole", **OPTIONS))


def test_all_processes_stop_when_one_is_asked(train_apart, tmp_path):
    script = tmp_path / "stop.py"
    script.write_text(STOP)
    stopped = train_apart(
        script,
        tmp_path / "run",
        launcher=["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"],
        distributed_backend="gloo",
        **OPTIONS,
    )
    assert stopped.code != 0
    assert stopped.steps() == [1, 2, 3, 4]
    assert stopped.checkpoints().keys() == {4}


def press(*moments):
    """Press Ctrl-C as a stage ends, or as the log reports a step."""
    stage_end, log = RecipeBrain.on_stage_end, RecipeBrain._log

    def end_stage(self, stage, *arguments):
        if stage.name in moments:
            os.kill(os.getpid(), signal.SIGINT)
        stage_end(self, stage, *arguments)

    def log_and_press(self, split, **values):
        log(self, split, **values)
        if self.optimizer_step in moments:
            os.kill(os.getpid(), signal.SIGINT)

    return {"on_stage_end": end_stage, "_log": log_and_press}


@pytest.mark.parametrize(("moment", "saved"), [(3, 3), ("VALID", 10)])
def test_ctrl_c_saves_and_names_how_to_continue(
    train, tmp_path, monkeypatch, moment, saved
):
    with monkeypatch.context() as patch:
        for name, method in press(moment).items():
            patch.setattr(RecipeBrain, name, method)
        stopped = train(tmp_path)
    assert stopped.code == 130
    assert "Traceback" not in stopped.error
    assert f"saved step {saved}; run the same command again" in stopped.log
    assert stopped.checkpoints().keys() == {saved}
    assert not (stopped.folder / "result.json").exists()
    resumed = train(tmp_path)
    assert resumed.code == 0
    assert resumed.steps() == list(range(1, 11))
