import errno
import logging
import shutil

import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.training.checkpoints import AtomicCheckpointer


def make_checkpointer(folder):
    modules = {"model": torch.nn.Linear(2, 2), "other": torch.nn.Linear(3, 1)}
    return AtomicCheckpointer(folder, modules)


def save(checkpointer, value, **meta):
    torch.nn.init.constant_(checkpointer.recoverables["model"].weight, value)
    return checkpointer.save_checkpoint(
        meta=meta, name=f"{value}", verbosity=logging.DEBUG
    )


def interrupt_second_save(monkeypatch):
    """Let the next save stop after its first file, as a kill does."""
    whole_save = torch.save

    def save_once(*arguments):
        monkeypatch.setattr(torch, "save", interrupt)
        whole_save(*arguments)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", save_once)


def recovered_value(folder):
    checkpointer = make_checkpointer(folder)
    checkpointer.recover_if_possible()
    return checkpointer.recoverables["model"].weight[0, 0].item()


def test_loads_the_newest_checkpoint_with_its_notes(tmp_path):
    checkpointer = make_checkpointer(tmp_path)
    save(checkpointer, 1.0, WER=30.0)
    save(checkpointer, 2.0, WER=40.0)
    assert recovered_value(tmp_path) == 2.0
    best = checkpointer.find_checkpoint(min_key="WER")
    assert best.meta["WER"] == 30.0
    assert best.meta["recoverables"] == ["model", "other"]


def test_interrupted_save_is_never_found_and_is_cleared(tmp_path, monkeypatch):
    checkpointer = make_checkpointer(tmp_path)
    whole = save(checkpointer, 1.0)
    interrupt_second_save(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        save(checkpointer, 2.0)
    assert (tmp_path / "CKPT+2.0" / "model.ckpt").exists()
    assert [c.path for c in checkpointer.list_checkpoints()] == [whole.path]
    assert recovered_value(tmp_path) == 1.0
    assert [folder.name for folder in tmp_path.iterdir()] == ["CKPT+1.0"]


def test_half_deleted_checkpoint_is_never_found_and_is_cleared(tmp_path):
    checkpointer = make_checkpointer(tmp_path)
    save(checkpointer, 1.0)
    half = save(checkpointer, 2.0)
    (half.path / "other.ckpt").unlink()
    assert len(checkpointer.list_checkpoints()) == 1
    assert recovered_value(tmp_path) == 1.0
    assert not half.path.exists()


def test_nothing_to_recover_starts_from_scratch(tmp_path, monkeypatch):
    checkpointer = make_checkpointer(tmp_path)
    interrupt_second_save(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        save(checkpointer, 1.0)
    assert checkpointer.recover_if_possible() is None
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_told(tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("[enforce fail at inline_container.cc] unexpected pos")

    checkpointer = make_checkpointer(tmp_path)
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(RuntimeError, match="unexpected pos"):
        save(checkpointer, 1.0)
    full = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(OSError) as caught:
        save(checkpointer, 1.0)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path)


def test_checkpoint_of_another_model_is_told(tmp_path):
    save(make_checkpointer(tmp_path), 1.0)
    wider = {"model": torch.nn.Linear(4, 4), "other": torch.nn.Linear(3, 1)}
    with pytest.raises(InputError, match="of another model") as caught:
        AtomicCheckpointer(tmp_path, wider).recover_if_possible()
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_no_save_reads_more_than_the_one_before(tmp_path, monkeypatch):
    checkpointer = make_checkpointer(tmp_path)
    listed = []
    list_all = AtomicCheckpointer.list_checkpoints

    def list_and_count(self):
        listed.append(self)
        return list_all(self)

    monkeypatch.setattr(AtomicCheckpointer, "list_checkpoints", list_and_count)
    counts = []
    for value in range(4):
        listed.clear()
        checkpointer.save_and_keep_only(
            {"WER": value}, min_keys=["WER"], verbosity=logging.DEBUG
        )
        counts.append(len(listed))
    assert len(set(counts)) == 1
    monkeypatch.undo()
    kept = sorted(each.meta["WER"] for each in checkpointer.list_checkpoints())
    assert kept == [0, 3]
