import pytest
import torch

from lact_modules.training.objective.batch_loss import BatchLoss

LOSSES, NUM_LABELS = torch.tensor([6.0, 4.0, 0.0]), torch.tensor([3, 2, 0])


@pytest.fixture
def loss():
    return BatchLoss.average(LOSSES.clone().requires_grad_(), NUM_LABELS)


@pytest.mark.parametrize(
    ("change", "mean"),
    [
        (lambda loss: loss, 2.0),
        (lambda loss: loss + torch.tensor(0.5), 2.5),
        (lambda loss: 0.5 + loss, 2.5),
        (lambda loss: 0.1 * loss * torch.tensor(2.0), 0.4),
        (lambda loss: BatchLoss.of(loss.mean + 1, num_utterances=3), 3.0),
        (lambda loss: loss.without_effect(), 0.0),
    ],
)
def test_the_mean_is_that_of_the_utterances(loss, change, mean):
    changed = change(loss)
    assert changed.mean.item() == pytest.approx(mean)
    assert len(changed.utterances) == 3
    total = (changed.mean * changed.num_labels).item()
    assert changed.utterances.sum().item() == pytest.approx(total)
    assert changed.mean.requires_grad
    assert not changed.utterances.requires_grad


def test_a_term_that_is_not_finite_is_of_all_utterances(loss):
    assert (loss + torch.tensor(torch.nan)).utterances.isnan().all()


def test_utterances_without_labels_count_as_one_each():
    assert BatchLoss.average(torch.ones(3), torch.zeros(3).long()).mean == 1
