import itertools
import json
import math

import pytest

from lact_modules.training.augmentation.views import TwoViews
from lact_modules.training.loop import RecipeBrain

SEARCH = {"find_lr": "true", "find_lr_steps": 20, "find_lr_range": "[1.0e-4, 1.0]"}
# four utterances an epoch, one by one
FEW = {"train_splits": "[dev]", "max_batch_size": 1}
LANGUAGE_MODEL = {
    **{"device": "cpu", "num_tokens": 40, "d_model": 32, "num_layers": 1},
    **{"d_ffn": 64, "max_batch_tokens": 60},
}


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("ASR/CTC", {"grad_accumulation_factor": 2, **FEW}),
        (
            "ASR/transformer",
            {"d_ffn": 64, "num_tokens": 40, "num_decoder_layers": 1, **FEW},
        ),
        ("LM", {"hparams": "transformer_demo", "tiny": LANGUAGE_MODEL}),
    ],
)
def test_a_search_leaves_its_curve_and_nothing_else(
    train, tmp_path, capsys, recipe, options
):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "hyperparams.yaml").write_text("of a training before")
    run = train(folder, recipe, **SEARCH, **options)
    assert run.code == 0, run.error
    found = contents(folder)
    assert found.keys() == {"hyperparams.yaml", "find_lr.json", "find_lr.svg"}
    assert found["hyperparams.yaml"] == b"of a training before"
    assert b"<svg" in found["find_lr.svg"]
    curve = json.loads(found["find_lr.json"])
    rates, losses = curve["learning_rates"], curve["losses"]
    assert len(rates) == len(losses) > 10
    assert rates[0] == pytest.approx(1e-4)
    ratios = [high / low for low, high in itertools.pairwise(rates)]
    assert ratios == pytest.approx([10 ** (4 / 19)] * len(ratios))
    assert all(map(math.isfinite, losses))
    # it learns, at these rates
    assert min(losses) < 0.9 * losses[0]
    assert 1e-4 < curve["suggestion"] < 1
    output = capsys.readouterr().out
    assert f"--learning_rate {curve['suggestion']:g}\n" in output
    assert f"{folder}/find_lr.svg" in output


LATER = "[{epochs: [1, 2], rates: {'*': 0.01}}, {epochs: [3, 9], rates: {output: 1}}]"


@pytest.mark.parametrize(
    "later",
    [
        {"unfreezing_stages": LATER},
        {"long_form_finetune_seconds": 60, "long_form_finetune_epochs": 7},
    ],
)
def test_a_search_stays_before_later_stages_and_its_steps_count_on(
    train, tmp_path, monkeypatch, later
):
    epochs, places = [], []
    start, weight = RecipeBrain.on_stage_start, TwoViews.weight

    def note_epoch(brain, stage, epoch=None):
        epochs.append(epoch)
        start(brain, stage, epoch)

    def note_place(views, step, total_steps):
        places.append((step, total_steps))
        return weight(views, step, total_steps)

    monkeypatch.setattr(RecipeBrain, "on_stage_start", note_epoch)
    monkeypatch.setattr(TwoViews, "weight", note_place)
    options = {**SEARCH, "find_lr_range": "[1.0e-4, 0.01]", "num_epochs": 9, **later}
    # one batch an epoch
    options |= {**FEW, "max_batch_size": 4, "cr_loss_scale": 0.2, "cr_warmup_steps": 0}
    run = train(tmp_path, **options)
    assert run.code == 0, run.error
    assert epochs == [1, 2] * 10
    assert places == [(step, 20) for step in range(20)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_only": "true"}, "--find_lr: --test_only trains nothing; choose one"),
        ({"find_lr_range": "[0.1, 0.1]"}, "expected two rates above 0, the lower fir"),
        ({"find_lr_range": "[0, 0.1]"}, "expected two rates above 0, the lower fir"),
        ({"find_lr_steps": 5}, "expected a whole number from 20"),
    ],
)
def test_a_search_that_cannot_run_is_refused_at_the_start(
    train, tmp_path, options, message
):
    run = train(tmp_path / "run", **SEARCH | options)
    assert run.code == 2
    assert message in run.error
    assert not (tmp_path / "run").exists()
