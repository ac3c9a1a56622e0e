import pytest
import torch

from lact_modules.training.augmentation.views import TwoViews, consistency_losses

FRAMES = torch.tensor([7, 4, 0, 7, 4, 0])


@pytest.fixture
def logits():
    """Two views of three utterances, one of them empty; float64."""
    torch.manual_seed(0)
    return torch.randn(6, 7, 5, dtype=torch.float64)


def in_plain_words(log_probs, frames):
    """Sum both divergences over the frames of each utterance, and halve."""
    losses = []
    for i in range(len(frames) // 2):
        p, q = (log_probs[j, : frames[j]] for j in (i, i + len(frames) // 2))
        forth, back = p.exp() * (p - q), q.exp() * (q - p)
        losses.append((forth + back).sum() / 2)
    return torch.stack(losses)


def test_is_the_mean_of_both_divergences(logits):
    log_probs = logits.log_softmax(dim=-1)
    expected = in_plain_words(log_probs, FRAMES)
    assert torch.allclose(consistency_losses(log_probs, FRAMES), expected)
    assert expected[2] == 0


def test_what_is_measured_from_has_no_gradient(logits):
    log_probs = logits.log_softmax(dim=-1).requires_grad_()
    consistency_losses(log_probs, FRAMES).sum().backward()
    # of log q in p (log p - log q) / 2, and nothing of log p
    expected = -log_probs.detach().exp().roll(3, dims=0) / 2
    for gradient, wanted, length in zip(log_probs.grad, expected, FRAMES, strict=True):
        assert torch.allclose(gradient[:length], wanted[:length])
        assert (gradient[length:] == 0).all()


def test_equal_views_do_not_disagree(logits):
    logits = logits[:3].repeat(2, 1, 1).requires_grad_()
    losses = consistency_losses(logits.log_softmax(dim=-1), FRAMES)
    losses.sum().backward()
    assert (losses == 0).all()
    assert logits.grad.abs().max() < 1e-15


def test_padding_has_no_influence(logits):
    def run(padding):
        given = logits.clone()
        for row, length in zip(given, FRAMES, strict=True):
            row[length:] = padding
        given.requires_grad_()
        losses = consistency_losses(given, FRAMES)
        losses.sum().backward()
        return losses, given.grad

    for known, other in zip(run(0.0), run(torch.nan), strict=True):
        assert torch.equal(known, other)


@pytest.mark.parametrize(
    ("warmup_steps", "total_steps", "step", "share"),
    [
        (None, 10**6, 500, 0.25),
        (None, 10**6, 2000, 1.0),
        (None, 10**6, 9999, 1.0),
        # a short training
        (None, 1000, 25, 0.25),
        (None, 1000, 0, 0.0),
        (None, 5, 0, 1.0),
        # as asked for, however short the training
        (800, 1000, 400, 0.5),
        (0, 1000, 0, 1.0),
    ],
)
def test_the_scale_rises_from_0(warmup_steps, total_steps, step, share):
    views = TwoViews(0.4, warmup_steps)
    assert views.weight(step, total_steps) == pytest.approx(0.4 * share)


def test_losses_are_averaged_and_logged_by_label(logits):
    log_probs = logits.log_softmax(dim=-1)
    apart = in_plain_words(log_probs, FRAMES)
    views, num_labels = TwoViews(0.2), torch.tensor([5, 3, 0])
    losses = torch.tensor([1.0, 2.0, 3.0, 5.0, 6.0, 7.0])
    merged = views.merge(losses, num_labels, losses - 1, log_probs, FRAMES, 0.1)
    assert torch.allclose(merged, torch.tensor([3.0, 4.0, 5.0]) + 0.1 * apart)
    expected = {"ctc": (2 + 3 + 4) / 8, "cr": apart.sum().item() / 8}
    assert views.metrics() == pytest.approx(expected)
