import torch

# A loss of rank 1 is NaN where gradients gathered before are to be exchanged.
# Each rank leaves its parameters behind after training.
TRAIN_AND_COMPARE = """
import os, runpy, sys
import torch
from lact_modules.training.brain import ASRBrain

rank = int(os.environ["RANK"])
objectives, train = ASRBrain.compute_objectives, ASRBrain.train

def spoil(self, outputs, batch, stage):
    loss = objectives(self, outputs, batch, stage)
    if rank == 1 and stage.name == "TRAIN" and self.step == 4:
        self.batch_losses = self.batch_losses * torch.nan
    return loss

def train_and_save(self, *arguments):
    train(self, *arguments)
    path = os.path.join(self.hparams.output_folder, f"rank{rank}.pt")
    torch.save(self.modules.model.module.state_dict(), path)

ASRBrain.compute_objectives, ASRBrain.train = spoil, train_and_save
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_two_processes_train_one_model(train_apart, tmp_path):
    script = tmp_path / "train_and_compare.py"
    script.write_text(TRAIN_AND_COMPARE)
    run = train_apart(
        script,
        tmp_path / "run",
        launcher=["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"],
        distributed_backend="gloo",
        num_epochs=3,
        grad_accumulation_factor=2,
        sample_interval=2,
        valid_interval=3,
        checkpoint_interval=3,
    )
    assert run.code == 0, run.error
    # 10 batches an epoch, 5 a process, of which the last is a step of its own
    assert run.steps() == list(range(1, 10))
    assert run.steps("dev") == [3, 3, 6, 6, 9, 9]
    assert run.checkpoints().keys() == {3, 6, 9}
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert losses[-1] < losses[0]
    assert "not finite, skipped: " in run.error
    first, second = (
        torch.load(run.folder / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert len(list(run.folder.glob("result*"))) == 1
    assert run.result["metrics"]["test"]["greedy"]["wer"] > 0
