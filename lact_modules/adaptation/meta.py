"""Learn to be adapted: a step of test-time training as a part of the training."""

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from lact_modules.adaptation.objective.objectives import FrontendOutput, Objective
from lact_modules.adaptation.step.parameters import Adaptable
from lact_modules.encoders.ctc_model import Augmentation, CTCModel
from lact_modules.errors import InputError
from lact_modules.ops.ttt.orthogonalize import newton_schulz


class MetaOutput(NamedTuple):
    """Log-probabilities before and after a step, (B, T, V), with (B,) valid frames."""

    log_probs: Tensor
    lengths: Tensor
    adapted: Tensor


class MetaStep:
    """Run a model, adapt its initial fast weights to each utterance, run it again.

    A loss of the outputs after the step trains the initial fast weights to be a good
    starting point, and the size of the step for each matrix (MAML, arXiv 1703.03400,
    with learned rates as in Meta-SGD, arXiv 1707.09835). To first order, the step's
    direction counts as constant; to second order, the model also learns to make the
    objective's gradient a useful one, at about twice the cost.
    """

    def __init__(
        self, model: CTCModel, objective: Objective, second_order: bool = False
    ):
        self.model, self.objective, self.second_order = model, objective, second_order
        self.adaptable = Adaptable(model, ["fast_weights"])
        if not self.adaptable.learned_rates:
            raise InputError(
                "meta_ttt: the model has no rates to learn; set ttt_rate of its mixers"
            )

    def __call__(
        self, waveform: Tensor, lengths: Tensor, augment: Augmentation | None = None
    ) -> MetaOutput:
        """Score every token at every frame; the graph goes through both passes."""
        inputs = self._extract(waveform, lengths, augment)
        values = {
            name: parameter.expand(len(waveform), *parameter.shape)
            for name, parameter in self.adaptable.parameters.items()
        }
        # other kernels of attention have no second derivative
        with sdpa_kernel(SDPBackend.MATH) if self.second_order else nullcontext():
            before = self.adaptable.look(values, inputs)
            gradients = torch.autograd.grad(
                self.objective(before).sum(),
                list(values.values()),
                create_graph=self.second_order,
                retain_graph=True,
            )
            rates = self.adaptable.learned_rates
            moved = {
                name: value - rates[name] * newton_schulz(gradient)
                for (name, value), gradient in zip(
                    values.items(), gradients, strict=True
                )
            }
            after = self.adaptable.look(moved, inputs)
        return MetaOutput(before.log_probs, inputs.lengths, after.log_probs)

    def _extract(
        self, waveform: Tensor, lengths: Tensor, augment: Augmentation | None
    ) -> FrontendOutput:
        frontend = self.model.frontend
        features, lengths = frontend.features(waveform, lengths)
        if augment is not None:
            features = augment(features, lengths)
        return FrontendOutput(features, lengths, *frontend.subsample(features, lengths))
