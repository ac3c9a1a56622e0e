import numpy as np
import pytest
import torch
from speechbrain.core import Stage
from speechbrain.dataio.batch import PaddedBatch

from lact_modules.data.code_file import write_codes
from lact_modules.training.batch.speech_batch import count_valid
from lact_modules.training.objective.distillation import code_losses
from tests import processes

HEAD = "!name:lact_modules.encoders.code_head.CodeHead {num_codes: 4}"


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


@pytest.mark.parametrize("recipe", [processes.CTC, processes.S2S])
def test_codes_weigh_the_same_whatever_else_is_learned(recipe, tmp_path):
    batch = PaddedBatch(processes.make_examples(0, 2))
    codes = {name: np.arange(9) % 4 for name in batch.id}
    write_codes(tmp_path / "codes.npz", codes, num_codes=4)
    heads = f"encoder: {{heads: {{1: {HEAD}, 2: ctc}}}}\npause_prob: 0.0"
    given = f"teacher_codes: {tmp_path}/codes.npz"
    brain = processes.make_brain(tmp_path, *recipe, heads, given, effective=False)
    outputs, losses = brain.compute_forward(batch, Stage.TRAIN), []
    for weight in (0.0, 3.0):
        brain.auxiliary.teacher.weight = weight
        losses.append(brain.compute_objectives(outputs, batch, Stage.TRAIN).utterances)
    added = ((losses[1] - losses[0]) / count_valid(batch.tokens)).mean().item()
    assert added == pytest.approx(3 * brain.step_metrics()["teacher"], rel=1e-4)
