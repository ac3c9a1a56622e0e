import random

import numpy as np
import torch

from lact_modules.training.checkpointing.random_state import RandomState


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_draws_continue_where_they_were_saved(tmp_path):
    state = RandomState()
    state.save(tmp_path / "random.ckpt")
    expected = draw()
    other = RandomState()
    other.load(tmp_path / "random.ckpt", end_of_epoch=False)
    # loaders of data draw while they start
    draw()
    other.restore()
    assert draw() == expected
    # once
    other.restore()
    assert draw() != expected


def test_end_of_an_epoch_takes_effect_at_once(tmp_path):
    state = RandomState()
    state.save(tmp_path / "random.ckpt")
    expected = draw()
    state.load(tmp_path / "random.ckpt", end_of_epoch=True)
    assert draw() == expected


def test_each_rank_has_its_own(tmp_path, monkeypatch):
    path = tmp_path / "random.ckpt"
    drawn = {}
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        RandomState().save(path)
        drawn[rank] = draw()
    for rank in (1, 0):
        monkeypatch.setenv("RANK", str(rank))
        RandomState().load(path, end_of_epoch=True)
        assert draw() == drawn[rank]


def test_a_rank_that_the_run_did_not_have_draws_on(tmp_path, monkeypatch):
    RandomState().save(tmp_path / "random.ckpt")
    monkeypatch.setenv("RANK", "3")
    state = RandomState()
    state.load(tmp_path / "random.ckpt", end_of_epoch=True)
    state.restore()
