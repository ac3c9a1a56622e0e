from functools import partial

import pytest
import torch
from speechbrain.dataio.batch import PaddedBatch
from torch import nn
from torch.optim import SGD

from lact_modules.encoders import compilation
from lact_modules.training.optimization import OptimizingBrain
from lact_modules.training.speech_batch import SpeechBatch

LOST = {"id": "lost", "signal": torch.empty(0), "tokens": torch.empty(0)}


class Slope(OptimizingBrain):
    """Whose gradient is the mean of the signals."""

    nonfinite_patience = 5

    def compute_forward(self, batch, stage):
        return self.model(batch.signal.data[:, :1])[:, 0]

    def utterance_losses(self, outputs, batch, stage):
        return outputs, torch.ones(len(batch), dtype=torch.int64)


@pytest.fixture
def brain():
    model = nn.Linear(1, 1, bias=False)
    hparams = {
        **dict.fromkeys(["parameter_groups", "stages", "target_effective_batch"]),
        **{"model": model, "layer_decay": 1.0, "schedule": lambda step, total: 1.0},
    }
    run_opts = {"device": "cpu", "grad_accumulation_factor": 4, "max_grad_norm": 1e9}
    made = Slope(
        modules={"model": model},
        opt_class=partial(SGD, lr=1.0),
        hparams=hparams,
        run_opts=run_opts,
    )
    made.total_steps = 1
    made.init_optimizers()
    return made


def test_compiled_modules_keep_the_names_of_their_weights(brain, monkeypatch):
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    update = step(brain, 1.0, 2.0)
    brain.compile = True
    brain._compile()
    assert step(brain, 1.0, 2.0) == pytest.approx(update)
    assert [*brain.modules.state_dict()] == ["model.weight"]
    assert "forward" in vars(brain.model)


def step(brain, *batches):
    """Take a step over batches, one number each or None; give the update."""
    before = brain.model.weight.item()
    for number, value in enumerate(batches, start=1):
        example = {"id": "heard", "signal": torch.tensor([value or 0.0])}
        batch = SpeechBatch([LOST]) if value is None else PaddedBatch([example])
        brain.learn(batch, should_step=number == len(batches))
    return before - brain.model.weight.item()


@pytest.mark.parametrize(
    ("batches", "update"),
    [
        ((1.0, 2.0, 3.0, 6.0), 3.0),
        # the end of an epoch
        ((5.0,), 5.0),
        ((1.0, 2.0), 1.5),
        # silence that stands for what cannot be read
        ((1.0, None, 2.0, 6.0), 3.0),
        ((1.0, None), 1.0),
        # what is not finite takes with it what was gathered before
        ((7.0, float("nan"), 1.0, 2.0), 1.5),
        ((None, None), 0.0),
    ],
)
def test_a_step_averages_over_the_batches_that_were_heard(brain, batches, update):
    assert step(brain, *batches) == pytest.approx(update)
    # nothing is left of it
    assert step(brain, 4.0) == pytest.approx(4.0)


def test_of_what_was_not_heard_there_is_no_loss(brain):
    outcome = brain.learn(SpeechBatch([LOST]), should_step=True)
    assert outcome.loss.isnan()
    assert outcome.losses.tolist() == [0.0]
