"""Learning to be adapted: where gradients flow, and what is learned."""

from functools import partial

import pytest
import torch

from lact_modules.adaptation.meta import MetaStep
from lact_modules.adaptation.methods import build_adapter
from lact_modules.adaptation.objective.objectives import find_objective
from lact_modules.adaptation.outputs import soften, sum_certainty
from lact_modules.encoders import CTCModel, Encoder
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.layers import FeedForward, LaCTMixer

# what meta-training trains, as it is
OPTIONS = {"parameters": ("fast_weights",), "is_gated": False}


@pytest.fixture
def learner():
    torch.manual_seed(0)
    mixer = partial(LaCTMixer, 16, 2, 2, ttt_rate=0.1)
    encoder = Encoder(16, 2, mixer, partial(FeedForward, 16, 32))
    model = CTCModel(MelFrontend(16, channels=4), encoder, 6)
    torch.nn.init.normal_(model.output.weight, std=1.0)
    return model


def gradients(model, batch, second_order):
    model.zero_grad()
    output = MetaStep(model, find_objective("suta"), second_order)(*batch)
    output.adapted[:, :, 1].mean().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_before_the_step_it_is_the_model_and_after_it_the_adapter(learner, batch):
    output = MetaStep(learner.eval(), find_objective("suta"))(*batch)
    plain, lengths = learner(*batch)
    adapted, _ = build_adapter(learner, steps=1, **OPTIONS)(*batch)
    soft, _ = soften((output.adapted, lengths), sum_certainty(plain, lengths))
    for row, count in enumerate(lengths):
        for ours, expected in ((output.log_probs, plain), (soft, adapted)):
            torch.testing.assert_close(
                ours[row, :count], expected[row, :count], atol=2e-3, rtol=1e-3
            )


def test_rates_and_initial_weights_learn(learner, batch):
    for second_order in (False, True):
        found = gradients(learner, batch, second_order)
        for name in ("ttt_rates", "gate", "up", "down"):
            gradient = found[f"encoder.blocks.0.mixer.fast.{name}"]
            assert gradient.isfinite().all()
            assert gradient.abs().max() > 0


def test_the_second_order_reaches_what_the_objective_depends_on(learner, batch):
    """To the first order, the output layer sees the adapted frames alone."""
    first, second = (gradients(learner, batch, order) for order in (False, True))
    difference = second["output.weight"] - first["output.weight"]
    assert difference.abs().max() > 1e-6


def test_a_model_without_rates_cannot_learn_them(model):
    with pytest.raises(InputError, match="ttt_rate"):
        MetaStep(model, find_objective("suta"))


def test_learned_rates_are_taken_unless_others_are_given(learner, batch):
    learner.eval()
    learned, _ = build_adapter(learner, **OPTIONS)(*batch)
    given, _ = build_adapter(learner, lr=0.1, **OPTIONS)(*batch)
    torch.testing.assert_close(learned, given)
    with torch.no_grad():
        for block in learner.encoder.blocks:
            # softplus(-20) is nearly 0
            block.mixer.fast.ttt_rates.fill_(-20.0)
    still, lengths = build_adapter(learner, **OPTIONS)(*batch)
    plain, _ = learner(*batch)
    for row, count in enumerate(lengths):
        torch.testing.assert_close(
            still[row, :count], plain[row, :count], atol=1e-4, rtol=1e-4
        )
