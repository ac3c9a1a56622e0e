import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer, average_checkpoints
from torch import nn

from lact_modules.errors import InputError
from lact_modules.model_store.run import checkpoint
from lact_modules.model_store.run.checkpoint import best_checkpoints


@pytest.fixture
def save(tmp_path):
    """Save a checkpoint of a batch norm, as SpeechBrain does."""
    model = nn.BatchNorm1d(3)
    checkpointer = Checkpointer(tmp_path / "save", {"model": model})

    def save_checkpoint(**meta):
        nn.init.normal_(model.weight)
        model.num_batches_tracked += 1
        return checkpointer.save_checkpoint(meta=meta)

    save_checkpoint.checkpointer = checkpointer
    return save_checkpoint


def names(checkpoints):
    return [c.folder.name for c in checkpoints]


def test_the_lowest_metric_comes_first_and_ties_go_to_the_newest(save, tmp_path):
    saved = [save(WER=wer).path.name for wer in (3.0, 1.0, 2.0, 1.0)]
    save(loss=0.1)
    save(WER=float("nan"))
    chosen = names(best_checkpoints(tmp_path, num=3))
    assert chosen == [saved[3], saved[1], saved[2]]


def test_without_the_metric_the_newest(save, tmp_path):
    saved = [save(loss=loss).path.name for loss in (1.0, 2.0, 3.0)]
    assert names(best_checkpoints(tmp_path, num=2)) == [saved[2], saved[1]]
    assert len(best_checkpoints(tmp_path, num=10)) == 3


def test_average_equals_that_of_speechbrain(save, tmp_path):
    for wer in (3.0, 1.0, 2.0):
        save(WER=wer)
    ours = checkpoint.average_checkpoints(best_checkpoints(tmp_path, num=3))
    ranked = save.checkpointer.find_checkpoints(min_key="WER", max_num_checkpoints=3)
    theirs = average_checkpoints(ranked, "model")
    assert torch.equal(ours["weight"], theirs["weight"])
    assert ours["num_batches_tracked"] == 3
    assert ours["num_batches_tracked"].dtype == torch.int64


def test_tied_tensors_are_averaged_once(save, tmp_path):
    for value in (1.0, 3.0):
        folder = save(WER=value).path
        tied = torch.full((2,), value)
        torch.save({"a": tied, "b": tied}, folder / "model.ckpt")
    average = checkpoint.average_checkpoints(best_checkpoints(tmp_path, num=2))
    assert average["a"].tolist() == average["b"].tolist() == [2.0, 2.0]


def test_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="train first"):
        best_checkpoints(tmp_path)


def test_num_below_one(save, tmp_path):
    save(WER=1.0)
    with pytest.raises(InputError, match="at least 1"):
        best_checkpoints(tmp_path, num=0)


@pytest.mark.parametrize("meta", ["[", "a list", "WER: 1.0", "!!python/name:os.system"])
def test_damaged_description(save, tmp_path, meta):
    (save(WER=1.0).path / "CKPT.yaml").write_text(meta)
    with pytest.raises(InputError, match=r"CKPT\.yaml"):
        best_checkpoints(tmp_path)


class Marker:
    def __reduce__(self):
        return print, ("pickled code was run",)


@pytest.mark.parametrize("content", [b"", b"junk", Marker(), {"a": 1}, [1]])
def test_files_that_are_no_weights(save, tmp_path, content, capsys):
    path = save(WER=1.0).path / "model.ckpt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(
        content, path
    )
    with pytest.raises(InputError, match=r"model\.ckpt") as caught:
        checkpoint.average_checkpoints(best_checkpoints(tmp_path))
    assert "\n" not in str(caught.value)
    assert "pickled code" not in capsys.readouterr().out


def test_a_checkpoint_that_was_being_deleted_does_not_count(save, tmp_path):
    whole = save(WER=2.0, recoverables=["model"]).path
    half = save(WER=1.0, recoverables=["model"]).path
    (half / "model.ckpt").unlink()
    assert names(best_checkpoints(tmp_path, num=2)) == [whole.name]


def test_missing_weights(save, tmp_path):
    (save(WER=1.0).path / "model.ckpt").unlink()
    with pytest.raises(InputError, match="no such file"):
        checkpoint.average_checkpoints(best_checkpoints(tmp_path))


def test_checkpoints_of_different_models(save, tmp_path):
    save(WER=1.0)
    torch.save({"weight": torch.zeros(9)}, save(WER=2.0).path / "model.ckpt")
    with pytest.raises(InputError, match="one model"):
        checkpoint.average_checkpoints(best_checkpoints(tmp_path, num=2))
