"""Memory recalls: what fast weights are for, by the recipes' own settings."""

import importlib
from functools import partial
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from lact_modules.layers import AttentionMixer, LaCTMixer

ROOT = Path(__file__).parents[2]
# attention of both blocks reaches 4 tokens, half of the gap; chance is 25 %
WINDOW, STEPS, SEED = (2, 2), 250, 3


@pytest.fixture
def recall(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("recall")


def accuracy(recall, mixer):
    """Train two blocks on two pairs over a gap; stops as soon as it is learned."""
    torch.manual_seed(SEED)
    task = recall.Recall(pairs=2, gap=8, length=24, num_values=4)
    model = recall.Recaller(task, mixer, d_model=32)
    return recall.train(
        model, task, STEPS, batch_size=32, learning_rate=0.01, seed=SEED
    ).accuracy


def shipped(fragment):
    """Return a small mixer that learns as that of an encoder's YAML does."""
    path = ROOT / "hparams" / "encoder" / f"{fragment}.yaml"
    fast = (
        load_hyperpyyaml(f"encoder: !include:{path}")["encoder"].blocks[-1].mixer.fast
    )
    return partial(
        LaCTMixer,
        num_heads=2,
        num_lact_heads=2,
        window=WINDOW,
        rule=fast.rule,
        rotate_fast=fast.rotate_fast,
        learn_rule=fast.log_gain is not None,
    )


@pytest.mark.parametrize("fragment", ["lact_conformer", "lact_streaming"])
def test_fast_weights_recall_what_attention_no_longer_sees(recall, fragment):
    assert accuracy(recall, shipped(fragment)) > 0.9


def test_a_window_alone_cannot_recall(recall):
    mixer = partial(AttentionMixer, num_heads=2, window=WINDOW)
    assert accuracy(recall, mixer) < 0.4
