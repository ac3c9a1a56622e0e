"""How gradients become updates: clipping, learning rates, non-finite values."""

import logging
from typing import Any

import torch
from speechbrain.dataio.batch import PaddedBatch
from torch.optim import Optimizer

from lact_modules.errors import InputError
from lact_modules.training.batch.batching import BatchLimits, MicroBatches
from lact_modules.training.batch.samplers import EffectiveBatchSampler, StagedSampler
from lact_modules.training.gathering import GradientAccumulation, Outcome
from lact_modules.training.objective.guard import NonFiniteGuard
from lact_modules.training.parallel.replicas import average_buffers, unwrapped
from lact_modules.training.parallel.sharding import release_parameters, whole

logger = logging.getLogger(__name__)


class Optimization:
    """Updates of a model, from the batches of optimizer steps.

    All parameters are clipped together, whatever their groups. A loss or gradient that
    is not finite is skipped, with what its step has gathered before.
    """

    def __init__(
        self,
        accumulation: GradientAccumulation,
        optimizer: Optimizer,
        max_grad_norm: float,
        patience: int,
    ):
        self.accumulation, self.optimizer = accumulation, optimizer
        self.max_grad_norm = max_grad_norm
        self.guard = NonFiniteGuard(patience)
        self.grad_norm = torch.tensor(torch.nan)

    def learn(self, batch: PaddedBatch, should_step: bool, rate: float) -> Outcome:
        """Gather the gradients of a batch, and update if it is the last of a step."""
        release_parameters(unwrapped(self.accumulation.model))
        outcome = self.accumulation.add(batch, should_step)
        if self.guard.is_bad(outcome.losses, outcome.ids):
            # gradients gathered before are not in sync yet with other ranks
            self.zero_grad()
        elif should_step:
            self._update(rate)
        if should_step:
            average_buffers(self.accumulation.model)
        return outcome

    def _update(self, rate: float) -> None:
        scaler = self.accumulation.scaler
        scaler.unscale_(self.optimizer)
        if not self.accumulation.average():
            self.zero_grad()
            scaler.update()
            return
        self.grad_norm = whole(
            torch.nn.utils.clip_grad_norm_(
                self.accumulation.modules.parameters(), self.max_grad_norm
            )
        )
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate
        # a scaler skips overflowing steps by itself
        if scaler.is_enabled() or not self.guard.is_bad(
            self.grad_norm, self.accumulation.ids
        ):
            scaler.step(self.optimizer)
            scaler.update()
            self.guard.reset()
        self.zero_grad()

    def metrics(self) -> dict[str, float]:
        """Return learning rates and the norm of the gradients, of the last update."""
        groups = self.optimizer.param_groups
        several = groups if len(groups) > 1 else []
        return {
            "lr": max(group["lr"] for group in groups),
            "grad_norm": self.grad_norm.item(),
            **{f"lr/{group['name']}": group["lr"] for group in several},
        }

    def zero_grad(self) -> None:
        """Forget the gathered gradients, and the utterances that they are of."""
        self.optimizer.zero_grad(set_to_none=True)
        self.accumulation.reset()


def make_micro_batches(sampler: Any, limits: BatchLimits) -> MicroBatches | None:
    """Cut a sampler's batches to what memory holds, if each is all of a step.

    None without ``target_effective_batch``. A sampler that does not know it is refused.
    """
    target = limits.target_effective_batch
    if target is None:
        return None
    # long-form fine-tuning has batches of fewer and longer ones
    first = sampler.first if isinstance(sampler, StagedSampler) else sampler
    if not isinstance(first, EffectiveBatchSampler):
        raise InputError(
            "target_effective_batch: only a recognizer that reads audio files counts "
            "utterances; set grad_accumulation_factor instead"
        )
    made = MicroBatches(
        target // sampler.num_ranks,
        limits.max_batch_size,
        limits.max_batch_length,
    )
    logger.info("%d processes, on each %s", sampler.num_ranks, made)
    return made
