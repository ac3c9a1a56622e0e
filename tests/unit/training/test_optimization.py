import pytest
import torch
from speechbrain.dataio.batch import PaddedBatch
from torch import nn
from torch.optim import SGD

from lact_modules.training.batch.speech_batch import SpeechBatch
from lact_modules.training.gathering import GradientAccumulation
from lact_modules.training.objective.batch_loss import BatchLoss
from lact_modules.training.optimization import Optimization

LOST = {"id": "lost", "signal": torch.empty(0), "tokens": torch.empty(0)}


@pytest.fixture
def learner():
    """Updates of a slope, whose gradient is the mean of the signals."""
    model = nn.Linear(1, 1, bias=False)

    def run(batch):
        outputs = model(batch.signal.data[:, :1])[:, 0]
        num_labels = torch.ones(len(batch), dtype=torch.int64)
        return outputs, BatchLoss.average(outputs, num_labels)

    scaler, modules = torch.amp.GradScaler(enabled=False), nn.ModuleDict()
    modules["model"] = model
    optimizer = SGD([{"params": model.parameters(), "initial_lr": 1.0}], lr=1.0)
    accumulation = GradientAccumulation(run, modules, scaler, num_batches=4)
    return Optimization(accumulation, optimizer, max_grad_norm=1e9, patience=5)


def step(learner, *batches):
    """Take a step over batches, one number each or None; give the update."""
    weight = learner.accumulation.modules.model.weight
    before = weight.item()
    for number, value in enumerate(batches, start=1):
        example = {"id": "heard", "signal": torch.tensor([value or 0.0])}
        batch = SpeechBatch([LOST]) if value is None else PaddedBatch([example])
        learner.learn(batch, should_step=number == len(batches), rate=1.0)
    return before - weight.item()


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
def test_a_step_averages_over_the_batches_that_were_read(learner, batches, update):
    assert step(learner, *batches) == pytest.approx(update)
    # nothing is left of it
    assert step(learner, 4.0) == pytest.approx(4.0)


def test_an_unread_batch_has_no_loss(learner):
    outcome = learner.learn(SpeechBatch([LOST]), should_step=True, rate=1.0)
    assert outcome.loss.isnan()
    assert outcome.losses.tolist() == [0.0]
