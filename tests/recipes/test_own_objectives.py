"""A recipe is copied, and trained on another loss, as its page shows."""

import re
from pathlib import Path

import pytest
import torch
from torch.distributions import Categorical

from lact_modules.encoders import CTCModel, S2SModel
from tests.documents import examples

RECIPES = Path(__file__).parents[2] / "recipes" / "LibriSpeech"
FEW = {"test_splits": "[]", "optimizer_step_limit": 2}


def valid(frames, lengths):
    """Join what is not padding."""
    assert len({*lengths.tolist()}) > 1, "no padding to leave out"
    return torch.cat([each[:n] for each, n in zip(frames, lengths, strict=True)])


def squares(outputs):
    return valid(outputs.memory, outputs.lengths).square().mean()


def confidence(outputs):
    log_probs, frames, *_ = outputs
    return -Categorical(logits=valid(log_probs, frames)).entropy().mean()


@pytest.fixture
def seen(monkeypatch):
    """What models in training give out."""
    found = []

    def watch(kind):
        forward = kind.forward

        def observe(model, *inputs, **more):
            outputs = forward(model, *inputs, **more)
            if model.training:
                found.append(outputs)
            return outputs

        monkeypatch.setattr(kind, "forward", observe)

    watch(CTCModel)
    watch(S2SModel)
    return found


@pytest.mark.parametrize("target", ["null", 2])
@pytest.mark.parametrize(
    ("recipe", "brain", "penalty"),
    [("ASR/CTC", "CTCBrain", confidence), ("ASR/transformer", "S2SBrain", squares)],
)
def test_a_copied_recipe_trains_on_another_loss(
    train, seen, tmp_path, recipe, brain, penalty, target
):
    original = (RECIPES / recipe / "train.py").read_text()
    found = examples("changing_recipes.md", "python")
    [changed] = [each for each in found if brain in each]
    script = tmp_path / "my_train.py"
    script.write_text(
        re.sub(r"class ASR\(.*?\n(?=\n\n)", changed, original, flags=re.S)
    )
    options = {**FEW, "recipe": recipe, "target_effective_batch": target}
    plain = train(tmp_path / "plain", **options)
    assert plain.code == 0, plain.error
    seen.clear()
    run = train(tmp_path / "run", script=script, **options)
    assert run.code == 0, run.error
    # the same model, on the same batch
    first, without = run.metrics("train")[0], plain.metrics("train")[0]
    added = 0.5 * penalty(seen[0]).item()
    assert first["loss"] - without["loss"] == pytest.approx(added, rel=1e-4)
    assert first["grad_norm"] != without["grad_norm"]
    assert run.steps() == [1, 2]
