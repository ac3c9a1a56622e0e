"""What the gate calls harm."""

import pytest
import torch

from lact_modules.adaptation.gate import CleanStatistics, Gate, Traits
from lact_modules.errors import InputError

STATISTICS = CleanStatistics(blank_share=(0.7, 0.05), confidence=(0.9, 0.02))


def traits(blank_share, confidence=0.9):
    return Traits(torch.tensor([blank_share]), torch.tensor([confidence]))


def found(before, after, losses=(1.0, 1.0), statistics=None):
    loss_before, loss_after = (torch.tensor([loss]) for loss in losses)
    gate = Gate(statistics=statistics)
    reasons = gate.harms(before, after, loss_before, loss_after)
    return [name for name, utterances in reasons.items() if utterances.any()]


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        (0.7, 0.7, []),
        (0.7, 0.8, []),
        (0.7, 0.9, ["blank"]),
        (0.7, 0.3, ["blank"]),
        (0.7, 1.0, ["blank"]),
        (1.0, 1.0, []),
        (1.0, 0.9, ["blank"]),
    ],
)
def test_speech_neither_vanishes_nor_appears(before, after, reasons):
    assert found(traits(before), traits(after)) == reasons


@pytest.mark.parametrize("after", [1.1, float("nan"), float("inf")])
def test_a_loss_that_rose_was_not_minimized(after):
    assert found(traits(0.7), traits(0.7), (1.0, after)) == ["loss"]


def test_what_leaves_clean_speech_is_refused_and_what_nears_it_is_not():
    near, far, farther = (traits(0.7, c) for c in (0.9, 0.7, 0.6))
    assert found(near, far, statistics=STATISTICS) == ["divergence"]
    assert found(far, farther, statistics=STATISTICS) == ["divergence"]
    assert found(farther, far, statistics=STATISTICS) == []


@pytest.mark.parametrize(
    ("confidence", "is_left"), [(0.89, False), (0.9, False), (0.91, True)]
)
def test_what_is_surer_than_clean_speech_is_left_alone(confidence, is_left):
    before = traits(0.7, confidence)
    assert Gate(statistics=STATISTICS).is_needless(before).tolist() == [is_left]
    assert Gate().is_needless(before).tolist() == [False]


def test_traits_do_not_see_padding():
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.randn(2, 20, 5, generator=generator).log_softmax(dim=-1)
    log_probs[1, 9:] = torch.nan
    together = Traits.of(log_probs, torch.tensor([20, 9]))
    alone = Traits.of(log_probs[1:, :9], torch.tensor([9]))
    for column, single in zip(together, alone, strict=True):
        assert column[1].item() == pytest.approx(single.item())


def test_saved_and_loaded_is_the_same(tmp_path):
    STATISTICS.save(tmp_path / "statistics.json")
    assert CleanStatistics.load(tmp_path / "statistics.json") == STATISTICS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"blank_share": [1]}'])
def test_broken_statistics_are_named(text, tmp_path):
    path = tmp_path / "statistics.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"statistics\.json"):
        CleanStatistics.load(path)
