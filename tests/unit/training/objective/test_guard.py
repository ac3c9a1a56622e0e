import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.training.objective.guard import NonFiniteGuard, infeasible

FINE = torch.tensor([1.0, 2.0])
BAD = torch.tensor([1.0, torch.inf])


@pytest.mark.parametrize("seed", range(20))
def test_infeasible_is_where_torch_finds_no_alignment(seed):
    generator = torch.Generator().manual_seed(seed)
    # few labels, so that neighbours repeat
    targets = torch.randint(1, 3, (16, 5), generator=generator)
    target_lengths = torch.randint(0, 6, (16,), generator=generator)
    frames = torch.randint(1, 9, (16,), generator=generator)
    log_probs = torch.randn(8, 16, 3, generator=generator).log_softmax(dim=-1)
    losses = torch.nn.functional.ctc_loss(
        log_probs, targets, frames, target_lengths, reduction="none"
    )
    found = infeasible(targets, target_lengths, frames)
    assert torch.equal(found, losses.isinf())


def test_infeasible_ignores_padding():
    targets = torch.tensor([[3, 4, 0, 0], [3, 4, 3, 4]])
    lengths = torch.tensor([2, 4])
    assert infeasible(targets, lengths, torch.tensor([2, 4])).tolist() == [False] * 2
    assert infeasible(targets, lengths, torch.tensor([1, 3])).tolist() == [True] * 2


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_guard_names_the_culprits_alone(caplog, bad):
    guard = NonFiniteGuard()
    assert not guard.is_bad(FINE, ["a", "b"])
    assert caplog.text == ""
    assert guard.is_bad(torch.tensor([bad, 1.0, bad]), ["u1", "u2", "u3"])
    assert "u1, u3" in caplog.text
    assert "u2" not in caplog.text


def test_one_value_concerns_all_utterances(caplog):
    assert NonFiniteGuard().is_bad(torch.tensor(torch.nan), ["u1", "u2"])
    assert "u1, u2" in caplog.text


def test_patience_ends_with_one_line_that_names_the_last():
    guard = NonFiniteGuard(patience=2)
    for _ in range(2):
        assert guard.is_bad(BAD, ["a", "b"])
    with pytest.raises(InputError, match=r"3 losses in a row .*last: d\)") as caught:
        guard.is_bad(BAD, ["c", "d"])
    assert "\n" not in str(caught.value)


def test_only_an_update_restores_patience():
    guard = NonFiniteGuard(patience=1)
    assert guard.is_bad(BAD, ["a", "b"])
    guard.reset()
    assert guard.is_bad(BAD, ["a", "b"])
    # a finite loss whose gradient may still be NaN
    assert not guard.is_bad(FINE, ["a", "b"])
    with pytest.raises(InputError):
        guard.is_bad(BAD, ["a", "b"])
