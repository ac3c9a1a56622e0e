import pytest
import torch

from lact_modules.inference.transcriber import Transcriber

# A loss of rank 1 is NaN where gradients gathered before are to be exchanged.
# Each rank leaves its parameters behind after training.
TRAIN_AND_COMPARE = """
import os, runpy, sys
import torch
from lact_modules.training.ctc import CTCBrain

rank = int(os.environ["RANK"])
objectives, train = CTCBrain.compute_objectives, CTCBrain.train

def spoil(self, outputs, batch, stage):
    loss = objectives(self, outputs, batch, stage)
    if rank == 1 and stage.name == "TRAIN" and self.step == 4:
        return loss * torch.nan
    return loss

def train_and_save(self, *arguments):
    train(self, *arguments)
    path = os.path.join(self.hparams.output_folder, f"rank{rank}.pt")
    torch.save(self.model.state_dict(), path)

CTCBrain.compute_objectives, CTCBrain.train = spoil, train_and_save
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


# 10 batches an epoch, 5 a process, of which the last is a step of its own
STEPS = {
    "grad_accumulation_factor": 2,
    "sample_interval": 2,
    "valid_interval": 3,
    "checkpoint_interval": 3,
}


@pytest.fixture
def train_in_two(train_apart, tmp_path):
    def run(**options):
        script = tmp_path / "train_and_compare.py"
        script.write_text(TRAIN_AND_COMPARE)
        launcher = "-m torch.distributed.run --standalone --nproc_per_node=2"
        run = train_apart(
            script,
            tmp_path / "run",
            launcher=launcher.split(),
            distributed_backend="gloo",
            **STEPS,
            **options,
        )
        assert run.code == 0, run.error
        return run

    return run


def ranks_of(run):
    """Return what each process had of the model at the end."""
    files = (run.folder / f"rank{rank}.pt" for rank in (0, 1))
    return [torch.load(file, weights_only=True) for file in files]


def are_equal(some, others):
    return some.keys() == others.keys() and all(
        torch.equal(some[name], others[name]) for name in some
    )


def test_two_processes_train_one_model(train_in_two):
    run = train_in_two(num_epochs=3)
    assert run.steps() == list(range(1, 10))
    assert run.steps("dev") == [3, 3, 6, 6, 9, 9]
    assert run.checkpoints().keys() == {3, 6, 9}
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert losses[-1] < losses[0]
    assert "not finite, skipped: " in run.error
    assert are_equal(*ranks_of(run))
    assert len(list(run.folder.glob("result*"))) == 1
    assert run.result["metrics"]["test"]["greedy"]["wer"] > 0


def test_what_two_processes_have_sharded_is_a_run_as_any_other(train_in_two, train):
    sharded = {"fsdp": True, "encoder": "{num_layers: 2, layer_drop: 0.5}"}
    run = train_in_two(num_epochs=1, **sharded)
    assert run.steps() == [1, 2, 3]
    assert run.steps("dev") == [3, 3]
    assert "not finite, skipped: " in run.error
    first, second = ranks_of(run)
    assert are_equal(first, second)
    # all of it
    assert are_equal(run.parameters(), first)
    assert run.result["metrics"]["test"]["greedy"]["wer"] > 0
    hypotheses = Transcriber.from_folder(run.folder).transcribe([torch.randn(16000)])
    assert len(hypotheses) == 1

    # one process continues, with the optimizer's state
    resumed = train(run.folder, num_epochs=2, **sharded, **STEPS)
    assert resumed.code == 0, resumed.error
    assert resumed.steps() == list(range(1, 9))
