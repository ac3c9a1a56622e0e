import errno
import logging
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from speechbrain.utils.checkpoints import Checkpointer

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


DAMAGES = {
    "zeroed": lambda content: bytes(len(content)),
    "cut": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "zeros inside": lambda content: content[:-90] + bytes(64) + content[-26:],
    "a flipped bit": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
}


def warnings_of(caplog):
    return [each for each in caplog.records if each.levelno >= logging.WARNING]


def damage(path, kind):
    path.write_bytes(DAMAGES[kind](path.read_bytes()))


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize(
    "name", ["model.ckpt", "other.ckpt", "CKPT.yaml", "SHA256SUMS"]
)
def test_damaged_checkpoint_is_named_and_the_one_before_it_taken(
    tmp_path, caplog, kind, name
):
    checkpointer = make_checkpointer(tmp_path)
    save(checkpointer, 1.0)
    save(checkpointer, 2.0)
    newest = save(checkpointer, 3.0).path
    damage(newest / name, kind)
    assert recovered_value(tmp_path) == 2.0
    assert f"{newest / ''}" in caplog.text
    # it is looked at once, and still there for who wants to
    caplog.clear()
    assert recovered_value(tmp_path) == 2.0
    assert not warnings_of(caplog)
    assert (tmp_path / f"damaged-{newest.name}" / name).exists()


@pytest.mark.parametrize(("old", "new"), [("- other", "- othes"), ("40.0", "10.0")])
def test_damaged_notes_are_neither_believed_nor_deleted(tmp_path, old, new):
    checkpointer = make_checkpointer(tmp_path)
    save(checkpointer, 1.0, WER=30.0)
    newest = save(checkpointer, 2.0, WER=40.0).path
    mark = newest / "CKPT.yaml"
    mark.write_text(mark.read_text().replace(old, new))
    assert checkpointer.find_checkpoint(min_key="WER").meta["WER"] == 30.0
    assert recovered_value(tmp_path) == 1.0
    assert (tmp_path / f"damaged-{newest.name}" / "model.ckpt").exists()


def test_emptied_mark_of_an_old_checkpoint_prevents_nothing(tmp_path, caplog):
    checkpointer = make_checkpointer(tmp_path)
    old = save(checkpointer, 1.0).path
    save(checkpointer, 2.0)
    (old / "CKPT.yaml").write_bytes(b"")
    save(checkpointer, 3.0)
    assert recovered_value(tmp_path) == 3.0
    assert str(old) in caplog.text


def test_training_does_not_start_anew_where_all_checkpoints_are_damaged(tmp_path):
    only = save(make_checkpointer(tmp_path), 1.0).path
    damage(only / "model.ckpt", "cut")
    with pytest.raises(InputError, match="no checkpoint is whole") as caught:
        make_checkpointer(tmp_path).recover_if_possible()
    assert str(only / "model.ckpt") in str(caught.value)
    assert only.exists()


@pytest.mark.parametrize("kind", DAMAGES)
def test_checkpoints_without_checksums_are_verified_as_far_as_torch_has_some(
    tmp_path, kind
):
    modules = {"model": torch.nn.Linear(50, 50), "other": torch.nn.Linear(3, 1)}
    older = Checkpointer(tmp_path, modules)
    torch.nn.init.constant_(modules["model"].weight, 1.0)
    older.save_checkpoint(name="older")
    newest = older.save_checkpoint(name="newest").path / "model.ckpt"
    content = newest.read_bytes()
    middle = len(content) // 2
    newest.write_bytes(DAMAGES[kind](content[:middle]) + content[middle:])
    ours = AtomicCheckpointer(tmp_path, modules)
    assert ours.recover_if_possible().path.name == "CKPT+older"


def test_everything_is_on_the_disk_before_the_mark(tmp_path, monkeypatch):
    flushed = []
    flush = os.fsync

    def note(descriptor):
        flushed.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    folder = save(make_checkpointer(tmp_path), 1.0).path
    mark = flushed.index(folder.name)
    assert set(flushed[:mark]) == {
        *("model.ckpt", "other.ckpt", "CKPT.yaml.part", "SHA256SUMS")
    }
    assert flushed[mark:] == [folder.name, folder.name, tmp_path.name]


def test_checksums_are_those_of_sha256sum(tmp_path):
    folder = save(make_checkpointer(tmp_path), 1.0).path
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    checked = subprocess.run(check, cwd=folder, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert {line.split(":")[0] for line in checked.stdout.splitlines()} == {
        *("model.ckpt", "other.ckpt", "CKPT.yaml")
    }


def test_nothing_to_recover_starts_from_scratch(tmp_path, monkeypatch):
    checkpointer = make_checkpointer(tmp_path)
    interrupt_second_save(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        save(checkpointer, 1.0)
    assert checkpointer.recover_if_possible() is None
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_reported(tmp_path, monkeypatch):
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


def test_checkpoint_of_another_model_is_refused(tmp_path):
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
