import shutil

import pytest
import torch

from lact_modules.model_store.run.choice import Choice
from lact_modules.model_store.trained_model import load_run
from lact_modules.training.outcome.measure import measure_split
from lact_modules.training.startup.folder_lock import only_training_in

OPTIONS = {"avg_checkpoints": 3, "best_by": "loss"}


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """A run of 3 epochs of 10 steps."""
    return train(tmp_path_factory.mktemp("whole") / "run", num_epochs=3, **OPTIONS)


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole.folder, tmp_path / "run")


def newest(folder):
    return max(folder.glob("save/CKPT*"), key=lambda path: path.name)


def weights(folder, names):
    """Average the output layer of checkpoints."""
    paths = (folder / "save" / name / "model.ckpt" for name in names)
    states = [torch.load(path, weights_only=True) for path in paths]
    return torch.stack([state["output.weight"] for state in states]).mean(dim=0)


def test_average_and_best_are_compared_on_dev_and_all_take_the_better(whole):
    choice = Choice.load(whole.folder / "save")
    assert len(choice.candidates) == 3
    is_better = choice.average <= choice.best
    assert len(choice.checkpoints) == (3 if is_better else 1)
    for value in (choice.best, choice.average):
        assert f"{value:.2f} of the" in whole.log
    loaded = load_run(whole.folder).model.output.weight
    assert torch.allclose(loaded, weights(whole.folder, choice.checkpoints))


def test_a_worse_average_is_neither_tested_nor_exported(train, copy, monkeypatch):
    choice = Choice.load(copy / "save")
    (copy / "save" / Choice.file_name).unlink()
    tested = []

    def measure(brain, *arguments):
        metrics = measure_split(brain, *arguments)
        tested.append(brain.hparams.model.output.weight.detach().clone())
        return metrics

    monkeypatch.setattr("lact_modules.training.experiment.measure_split", measure)
    monkeypatch.setattr(
        "lact_modules.training.resumable_brain.validate_weights",
        lambda brain, weights: 700.0,
    )
    run = train(copy, num_epochs=3, **OPTIONS)
    assert run.code == 0
    assert "700.00 of the average of 3; using the best checkpoint" in run.log
    best = weights(copy, choice.candidates[:1])
    assert not torch.allclose(best, weights(copy, choice.candidates))
    assert torch.equal(tested[0], best)
    assert torch.equal(load_run(copy).model.output.weight, best)


def test_training_continues_from_the_checkpoint_before_a_damaged_one(train, copy):
    damaged = newest(copy)
    content = (damaged / "optimizer.ckpt").read_bytes()
    (damaged / "optimizer.ckpt").write_bytes(content[:-64] + bytes(64))
    run = train(copy, num_epochs=3, **OPTIONS)
    assert run.code == 0
    assert str(damaged / "optimizer.ckpt") in run.log
    assert max(run.checkpoints()) == 30
    assert sorted(run.checkpoints()) == [10, 20, 30]


def test_training_with_damaged_checkpoints_alone_ends_in_one_line(train, copy):
    for mark in copy.glob("save/CKPT*/CKPT.yaml"):
        mark.write_bytes(b"")
    run = train(copy, num_epochs=4, **OPTIONS)
    assert run.code == 2
    assert "no checkpoint is whole" in run.error.splitlines()[-1]


def test_a_second_training_in_a_folder_is_refused(train, copy):
    before = (copy / "log.txt").read_text()
    with only_training_in(copy):
        run = train(copy, num_epochs=4, **OPTIONS)
    assert run.code == 2
    assert "trains here since" in run.error.splitlines()[-1]
    assert (copy / "log.txt").read_text() == before
