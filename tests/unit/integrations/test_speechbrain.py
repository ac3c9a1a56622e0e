"""SpeechBrain's Conformer as an external arm, and the contract that it breaks."""

from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from lact_modules.encoders import CTCModel
from lact_modules.frontends import MelFrontend

FRAGMENT = Path(__file__).parents[3] / "hparams/encoder/speechbrain_conformer.yaml"
D_MODEL, NUM_FRAMES = 32, [23, 9]


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    arm = f"arm: !include:{FRAGMENT}\n    d_model: {D_MODEL}"
    return load_hyperpyyaml(arm)["arm"].eval()


def make_batch():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, max(NUM_FRAMES), D_MODEL, generator=generator)
    return x, torch.tensor(NUM_FRAMES)


def test_encodes_and_leaves_padding_zero(encoder):
    x, lengths = make_batch()
    output, output_lengths = encoder(x, lengths)
    assert output.shape == x.shape
    assert output.isfinite().all()
    assert output_lengths.tolist() == NUM_FRAMES
    assert output[1, NUM_FRAMES[1] :].count_nonzero() == 0


def test_serves_a_recognizer(encoder):
    model = CTCModel(MelFrontend(D_MODEL, channels=4), encoder, num_tokens=5)
    log_probs, lengths = model(torch.randn(2, 8000), torch.tensor([8000, 4000]))
    log_probs.sum().backward()
    assert log_probs.shape == (2, 13, 5)
    assert lengths.tolist() == [13, 7]
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="its convolutions look into the padding"
)
def test_alone_equals_in_a_batch(encoder):
    x, lengths = make_batch()
    together, _ = encoder(x, lengths)
    alone, _ = encoder(x[1:, : NUM_FRAMES[1]], lengths[1:])
    torch.testing.assert_close(
        alone, together[1:, : NUM_FRAMES[1]], atol=1e-5, rtol=1e-4
    )
