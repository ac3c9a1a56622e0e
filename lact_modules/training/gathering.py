"""The gradients of an optimizer step, accumulated over one batch or several."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import ddp_all_reduce, is_distributed_initialized
from torch import Tensor, nn
from torch.distributed import ReduceOp

from lact_modules.training.batch.batching import MicroBatches, is_out_of_memory
from lact_modules.training.batch.speech_batch import is_lost
from lact_modules.training.objective.batch_loss import BatchLoss
from lact_modules.training.parallel.replicas import (
    run_replica,
    sum_gradients,
    unwrapped,
    without_exchange,
)

Run = Callable[[PaddedBatch], tuple[Any, BatchLoss]]
"""Runs a batch forward: the model's outputs, and the loss."""


class Outcome(NamedTuple):
    """The result of a batch.

    ``batch`` and ``outputs`` are of what went through the model last: the batch, or a
    part of it. ``loss`` is the mean over the batch's labels, NaN if it could not be
    read; ``losses`` (B,) are those of ``ids``, in nats.
    """

    batch: PaddedBatch
    outputs: Any
    loss: Tensor
    ids: list[str]
    losses: Tensor


class GradientAccumulation:
    """Run the batches of an optimizer step backward."""

    def __init__(
        self,
        run: Run,
        modules: nn.ModuleDict,
        scaler: torch.amp.GradScaler,
        num_batches: int,
        micro_batches: MicroBatches | None = None,
    ):
        self.run, self.modules, self.scaler = run, modules, scaler
        self.num_batches, self.micro_batches = num_batches, micro_batches
        self.reset()

    @property
    def model(self) -> nn.Module:
        """What is trained now: it may be replicated anew between steps."""
        return self.modules["model"]

    def reset(self) -> None:
        """Begin a step: drop the utterances whose gradients were gathered."""
        self.ids: list[str] = []
        self.num_counted = 0

    def add(self, batch: PaddedBatch, is_last: bool) -> Outcome:
        """Run a batch forward and backward."""
        if self.micro_batches is None:
            outcome = self._add_at_once(batch, is_last)
        else:
            outcome = self._add_in_parts(batch, self.micro_batches)
        self.ids += outcome.ids
        return outcome

    def _add_at_once(self, batch: PaddedBatch, is_last: bool) -> Outcome:
        with nullcontext() if is_last else without_exchange(self.model):
            outputs, loss = self._run(batch, is_lost(batch))
            self.scaler.scale(loss.mean / self.num_batches).backward()
        self.num_counted += not is_lost(batch)
        mean = torch.full_like(loss.mean, torch.nan) if is_lost(batch) else loss.mean
        return Outcome(batch, outputs, mean, batch.id, loss.utterances)

    def _run(self, batch: PaddedBatch, teaches_nothing: bool) -> tuple[Any, BatchLoss]:
        """Run the model, within the replica if there is one, which sees the mean."""

        def run() -> tuple[tuple[Any, BatchLoss], Tensor]:
            outputs, loss = self.run(batch)
            if teaches_nothing:
                # its replacement keeps processes in step
                loss = loss.without_effect()
            return (outputs, loss), loss.mean

        (outputs, loss), mean = run_replica(self.model, run)
        return outputs, replace(loss, mean=mean)

    def _add_in_parts(self, batch: PaddedBatch, micro_batches: MicroBatches) -> Outcome:
        """Run a rank's share of a step in parts, smaller ones if memory runs out."""
        while True:
            try:
                parts = micro_batches.cut(batch)
                with without_exchange(self.model):
                    gathered = self._add_parts(
                        parts, micro_batches.share, is_lost(batch)
                    )
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # here the error holds no tensors any more; what failed may have left
            # gradients of some parameters
            for parameter in self.modules.parameters():
                parameter.grad = None
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            micro_batches.halve()
        device = gathered[1].device
        halvings = torch.tensor(float(micro_batches.num_halvings), device=device)
        micro_batches.num_halvings = int(ddp_all_reduce(halvings, ReduceOp.MAX))
        outcome, num_labels = gathered
        sums = torch.stack([outcome.losses.sum(), num_labels.to(outcome.losses)])
        loss_sum, num_labels = ddp_all_reduce(sums, ReduceOp.SUM)
        sum_gradients(self.model)
        self._scale_gradients(micro_batches.share / num_labels.clamp(min=1))
        self.num_counted = int(num_labels > 0)
        return outcome._replace(loss=loss_sum / num_labels)

    def _add_parts(
        self, parts: Sequence[PaddedBatch], share: int, teach_nothing: bool
    ) -> tuple[Outcome, Tensor]:
        """Gather gradients of the losses' sum over `share`; count the labels."""
        ids, losses, num_labels = [], [], []
        for part in parts:
            outputs, loss = self._run(part, teach_nothing)
            self.scaler.scale(loss.mean * loss.num_labels / share).backward()
            ids += part.id
            losses.append(loss.utterances)
            num_labels.append(loss.num_labels)
        outcome = Outcome(part, outputs, loss.mean, ids, torch.cat(losses))
        return outcome, torch.stack(num_labels).sum()

    def average(self) -> bool:
        """Average over the batches of a step that count; return whether any does.

        The last step of an epoch may have fewer than others, and so has one with
        batches that were skipped, in any process.
        """
        device = next(self.modules.parameters()).device
        num_counted = torch.tensor(float(self.num_counted), device=device)
        num_counted = ddp_all_reduce(num_counted, ReduceOp.SUM)
        num_full = self.num_batches
        if is_distributed_initialized():
            num_full *= torch.distributed.get_world_size()
        if 0 < num_counted < num_full:
            self._scale_gradients(num_full / num_counted)
        return bool(num_counted > 0)

    def _scale_gradients(self, factor: Tensor) -> None:
        for parameter in unwrapped(self.model).parameters():
            if parameter.grad is not None:
                parameter.grad *= factor
