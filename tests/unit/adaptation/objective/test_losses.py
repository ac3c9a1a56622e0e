"""Losses without transcripts: against formulas written out, and padding."""

import pytest
import torch

from lact_modules.adaptation.objective.losses import class_confusion, entropy, suta

LOSSES = [entropy, class_confusion, suta]


@pytest.fixture
def log_probs():
    generator = torch.Generator().manual_seed(0)
    return (3 * torch.randn(3, 30, 8, generator=generator)).log_softmax(dim=-1)


def written_out(log_probs, temperature=2.5, share=0.3):
    """Follow SUTA's paper frame by frame, for one utterance (T, V)."""
    scores = log_probs.double() / temperature
    probs = [frame.softmax(dim=0) for frame in scores]
    entropies = [-(p * p.log()).sum() for p in probs]
    spoken = [h for h, frame in zip(entropies, scores, strict=True) if frame.argmax()]
    weights = torch.stack([1 + (-h).exp() for h in entropies])
    weights = len(probs) * weights / weights.sum()
    table = sum(w * torch.outer(p, p) for w, p in zip(weights, probs, strict=True))
    table = table / table.sum(dim=1, keepdim=True)
    confusion = (table.sum() - table.trace()) / len(table)
    return share * sum(spoken) / len(spoken) + (1 - share) * confusion


def test_suta_is_that_of_its_paper(log_probs):
    expected = [written_out(each).item() for each in log_probs]
    assert suta(log_probs, torch.full((3,), 30)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_padding_has_no_influence(loss, log_probs):
    lengths = torch.tensor([30, 11, 0])
    for row, length in enumerate(lengths):
        log_probs[row, length:] = torch.nan
    together = loss(log_probs, lengths)
    assert together.isfinite().all()
    for row, length in enumerate(lengths[:2]):
        alone = loss(log_probs[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(together[row], alone[0])


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_finite_and_none_reach_padding(loss, log_probs):
    log_probs[1, 11:] = torch.nan
    log_probs.requires_grad_()
    loss(log_probs, torch.tensor([30, 11, 30])).sum().backward()
    assert log_probs.grad.isfinite().all()
    assert log_probs.grad[1, 11:].count_nonzero() == 0
    assert log_probs.grad[0].count_nonzero() > 0


def test_silence_has_no_entropy_to_lower():
    silent = torch.tensor([0.0, -5.0, -5.0]).log_softmax(dim=0).expand(1, 9, 3)
    assert entropy(silent, torch.tensor([9])).item() == 0
    assert entropy(silent, torch.tensor([9]), skip_blank=False).item() > 0


def test_certainty_costs_least(log_probs):
    lengths = torch.full((3,), 30)
    certain = (10 * log_probs).log_softmax(dim=-1)
    for loss in LOSSES:
        assert (loss(certain, lengths) < loss(log_probs, lengths)).all()
