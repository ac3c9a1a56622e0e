import json
import shutil

import pytest
import torch

from lact_modules.model_store.run.choice import Choice
from lact_modules.model_store.trained_model import load_run

NAMES = {40: "CKPT+wer-40", 30: "CKPT+wer-30", 50: "CKPT+wer-50"}


def output(run, *wers):
    """Average the output layer of the checkpoints with these error rates."""
    paths = (run / "save" / NAMES[wer] / "model.ckpt" for wer in wers)
    states = [torch.load(path, weights_only=True) for path in paths]
    return torch.stack([state["output.weight"] for state in states]).mean(dim=0)


def choose(run, *wers):
    names = [NAMES[wer] for wer in wers]
    Choice(names, names, "WER", 30.0, None).save(run / "save")


def loads(run, *wers, num=None):
    loaded = load_run(run, num).model.output.weight
    return torch.allclose(loaded, output(run, *wers), rtol=0, atol=1e-6)


def test_what_training_has_chosen_is_loaded(run_copy):
    choose(run_copy, 30)
    assert loads(run_copy, 30)
    choose(run_copy, 40, 50)
    assert loads(run_copy, 40, 50)
    assert loads(run_copy, 30, 40, num=2)


def test_an_untested_average_is_not_taken(run_copy):
    assert loads(run_copy, 30, 40)
    (run_copy / "result.json").unlink()
    assert loads(run_copy, 30)
    assert loads(run_copy, 30, 40, num=2)


@pytest.mark.parametrize("kind", ["emptied", "deleted"])
def test_a_damaged_choice_gives_way_to_the_best_whole_one(run_copy, kind, caplog):
    choose(run_copy, 30, 50)
    folder = run_copy / "save" / NAMES[30]
    (folder / "model.ckpt").write_bytes(b"")
    if kind == "deleted":
        shutil.rmtree(folder)
    assert loads(run_copy, 40)
    assert str(folder) in caplog.text


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 9, b"[]", b"{}", b'{"checkpoints": 3}', b"[" * 100_000, b"\xff"],
)
def test_a_damaged_note_is_reported(run_copy, content, caplog):
    (run_copy / "save" / "choice.json").write_bytes(content)
    assert loads(run_copy, 30)
    assert "choice.json: damaged" in caplog.text


@pytest.mark.parametrize("names", [["../../other"], ["/tmp"], [3], "CKPT+wer-30", []])
def test_a_note_names_folders_beside_it(run_copy, names, caplog):
    choice = {"checkpoints": names, "candidates": [], "metric": "WER"}
    choice |= {"best": 1.0, "average": None}
    (run_copy / "save" / "choice.json").write_text(json.dumps(choice))
    assert loads(run_copy, 30)
    assert "choice.json: damaged" in caplog.text
