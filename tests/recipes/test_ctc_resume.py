import re

import pytest

# Kill the process as the log is about to report a step.
KILL_AT_STEP = """
import os, runpy, signal, sys
from lact_modules.training.tracking.metrics_log import MetricsLog

log = MetricsLog.log

def log_or_die(self, split, step, *arguments, **values):
    if step == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    log(self, split, step, *arguments, **values)

MetricsLog.log = log_or_die
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# Kill the process in the middle of a file of its third checkpoint.
KILL_IN_CHECKPOINT = """
import os, runpy, signal, sys
import torch

save, num_models = torch.save, 0

def save_or_die(state, path):
    global num_models
    save(state, path)
    num_models += "model" in str(path)
    if num_models == 3:
        os.truncate(path, os.path.getsize(path) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

torch.save = save_or_die
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

OPTIONS = {"num_epochs": 2, "sample_interval": 1, "checkpoint_interval": 3}


def samples(run):
    """First utterance of each step's batch, as the log has it, later runs last."""
    return dict(re.findall(r"step (\d+), sample (\S+)", run.log))


def train_losses(run):
    """Of each epoch, as the log sums it up."""
    return re.findall(r"epoch: (\d+), .* train loss: (\S+)", run.log)


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """A run that nothing stops: 2 epochs of 10 steps."""
    return train(tmp_path_factory.mktemp("whole"), **OPTIONS)


def test_more_epochs_continue_where_the_run_ended(train, tmp_path):
    first = train(tmp_path)
    assert first.steps() == list(range(1, 11))
    second = train(tmp_path, num_epochs=2)
    assert second.code == 0
    assert second.steps() == list(range(1, 21))
    assert second.steps("dev") == [10, 20]
    assert second.checkpoints().keys() == {10, 20}
    epochs = [entry["epoch"] for entry in second.metrics("train")]
    assert epochs == pytest.approx([step / 10 for step in range(1, 21)])
    assert second.result["training_wall_s"] > 0


def test_a_finished_run_is_only_tested_again(whole, train):
    wall_s = whole.result["training_wall_s"]
    (whole.folder / "result.json").unlink()
    again = train(whole.folder, **OPTIONS)
    assert again.code == 0
    assert again.steps() == list(range(1, 21))
    assert again.result["training_wall_s"] == wall_s


def test_killed_within_an_epoch_continues_with_the_next_batch(
    whole, train, train_apart, tmp_path
):
    script = tmp_path / "kill.py"
    script.write_text(KILL_AT_STEP)
    killed = train_apart(script, tmp_path / "run", **OPTIONS)
    assert killed.code == -9
    assert killed.steps() == list(range(1, 8))
    assert killed.checkpoints().keys() == {6}
    resumed = train(tmp_path / "run", **OPTIONS)
    assert resumed.code == 0
    # step 7 came after the checkpoint, and is logged once
    assert resumed.steps() == list(range(1, 21))
    assert max(resumed.checkpoints()) == 20
    assert samples(resumed) == samples(whole)
    # of all batches of the epoch, also those before
    assert train_losses(resumed) == train_losses(whole)


def test_killed_while_saving_continues_from_the_checkpoint_before(
    train, train_apart, tmp_path
):
    script = tmp_path / "kill.py"
    script.write_text(KILL_IN_CHECKPOINT)
    killed = train_apart(script, tmp_path / "run", **OPTIONS)
    assert killed.code == -9
    assert killed.steps() == list(range(1, 10))
    assert killed.checkpoints().keys() == {6}
    folders = {path.name for path in (tmp_path / "run" / "save").iterdir()}
    assert len(folders) == 2
    resumed = train(tmp_path / "run", **OPTIONS)
    assert resumed.code == 0
    assert resumed.steps() == list(range(1, 21))
    assert resumed.checkpoints().keys() == {10, 18, 20}
    saved = list((tmp_path / "run" / "save").glob("CKPT*"))
    assert all((folder / "CKPT.yaml").exists() for folder in saved)


def test_checkpoints_of_another_model_are_refused(whole, train):
    settings = (whole.folder / "hyperparams.yaml").read_text()
    run = train(whole.folder, **{**OPTIONS, "num_epochs": 3}, d_model=64)
    assert run.code == 2
    assert "a checkpoint of another model" in run.error.splitlines()[-1]
    # of the model that the checkpoints are of
    assert (whole.folder / "hyperparams.yaml").read_text() == settings
