import pytest
import torch

from lact_modules.training.distillation import code_losses


@pytest.mark.parametrize(("num_frames", "num_codes"), [(12, 24), (12, 50), (20, 10)])
def test_frames_learn_the_code_of_their_time(num_frames, num_codes):
    # the code changes at a half
    codes = (torch.arange(num_codes) >= num_codes / 2).long()
    frames = (torch.arange(num_frames) >= num_frames / 2).long()
    log_probs = torch.where(torch.nn.functional.one_hot(frames, 2).bool(), 0.0, -9.0)
    losses = code_losses(log_probs[None], torch.tensor([num_frames]), [codes])
    assert losses.item() == 0
    assert code_losses(log_probs[None], torch.tensor([num_frames]), [1 - codes]) == 9


def test_padding_has_no_influence_and_no_frames_no_loss():
    log_probs = torch.randn(3, 8, 4).log_softmax(dim=-1)
    codes = [torch.randint(4, (n,)) for n in (15, 9, 1)]
    losses = code_losses(log_probs, torch.tensor([8, 5, 0]), codes)
    [alone] = code_losses(log_probs[1:2, :5], torch.tensor([5]), codes[1:2])
    assert losses[1].item() == pytest.approx(alone.item())
    assert losses[2].item() == 0
    log_probs[1, 5:] = torch.nan
    assert torch.equal(code_losses(log_probs, torch.tensor([8, 5, 0]), codes), losses)
