import logging

import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.model_store.run.choice import Choice
from lact_modules.training.checkpointing.averaging import choose_weights
from lact_modules.training.checkpoints import AtomicCheckpointer


@pytest.fixture
def folder(tmp_path):
    """Three checkpoints of a weight that is also their error rate."""
    model = torch.nn.Linear(1, 1)
    checkpointer = AtomicCheckpointer(tmp_path, {"model": model})
    for value in (9.0, 4.0, 5.0):
        torch.nn.init.constant_(model.weight, value)
        meta = {"WER": value}
        checkpointer.save_checkpoint(meta, name=f"{value}", verbosity=logging.DEBUG)
    return tmp_path


def weight(folder, num, wer_of_average):
    validated = []

    def validate(weights):
        validated.append(weights["weight"].item())
        return wer_of_average

    chosen = choose_weights(folder, "WER", num, validate)
    return chosen["weight"].item(), validated


@pytest.mark.parametrize(
    ("wer", "expected"),
    [(3.0, 6.0), (4.0, 6.0), (4.1, 4.0), (float("nan"), 4.0), (float("inf"), 4.0)],
)
def test_the_better_one_on_dev_is_taken_and_both_are_logged(
    folder, caplog, wer, expected
):
    caplog.set_level(logging.INFO)
    assert weight(folder, 3, wer) == (expected, [6.0])
    [line] = [line for line in caplog.messages if "on dev" in line]
    assert "4.00 of the best checkpoint" in line
    assert f"{wer:.2f} of the average of 3" in line
    choice = Choice.load(folder)
    assert choice.best == 4.0
    assert len(choice.checkpoints) == (3 if expected == 6.0 else 1)


def test_what_was_compared_is_not_compared_again(folder):
    assert weight(folder, 2, 8.0) == (4.0, [4.5])
    assert weight(folder, 2, 1.0) == (4.0, [])
    # but another average is
    assert weight(folder, 3, 1.0) == (6.0, [6.0])


def test_one_checkpoint_needs_no_validation(folder):
    assert weight(folder, 1, 0.0) == (4.0, [])
    assert Choice.load(folder).average is None


def test_damaged_checkpoints_are_not_averaged(folder, caplog):
    (folder / "CKPT+4.0" / "model.ckpt").write_bytes(b"")
    assert weight(folder, 3, 1.0) == (7.0, [7.0])
    assert "CKPT+4.0" in caplog.text


def test_checkpoints_of_whole_epochs_alone_are_tested(tmp_path):
    with pytest.raises(InputError, match="no checkpoint of a whole epoch"):
        weight(tmp_path, 3, 1.0)
    checkpointer = AtomicCheckpointer(tmp_path, {"model": torch.nn.Linear(1, 1)})
    checkpointer.save_checkpoint(end_of_epoch=False)
    with pytest.raises(InputError, match="no checkpoint of a whole epoch"):
        weight(tmp_path, 3, 1.0)
