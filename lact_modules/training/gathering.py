"""How a Brain gathers the gradients of a step, from one batch or from several."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import ddp_all_reduce
from torch import Tensor, nn
from torch.distributed import ReduceOp

from lact_modules.training.batching import MicroBatches, is_out_of_memory
from lact_modules.training.replicas import (
    run_replica,
    sum_gradients,
    unwrapped,
    without_exchange,
)
from lact_modules.training.speech_batch import SpeechBatch


class Outcome(NamedTuple):
    """What has become of a batch.

    Arguments
    ---------
    batch : PaddedBatch
        What went through the model last: the batch, or a part of it.
    outputs : Any
        The model's, of that.
    loss : Tensor
        Averaged over the labels of the batch, a scalar; NaN if it could not be read.
    ids : list[str]
        Of the batch's utterances.
    losses : Tensor
        (B,) of the same, in nats.
    """

    batch: PaddedBatch
    outputs: Any
    loss: Tensor
    ids: list[str]
    losses: Tensor


class GatheringBrain(sb.Brain):
    """SpeechBrain's Brain with losses of utterances and steps of many batches.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    # (B,) of the batch that was run last; an override of `compute_objectives` may tell
    # none
    batch_losses: Any

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.gathered_ids: list[str] = []
        self.num_heard = 0
        self.micro_batches: MicroBatches | None = None

    @property
    def model(self) -> nn.Module:
        """The model, without what shares it among processes."""
        return unwrapped(self.modules.model)

    def utterance_losses(
        self, outputs: Any, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor]:
        """Give losses (B,) in nats, and numbers of labels (B,) to average over."""
        raise NotImplementedError

    def compute_objectives(
        self, outputs: Any, batch: PaddedBatch, stage: sb.Stage
    ) -> Tensor:
        """Average the losses over all labels of the batch.

        A Brain may override it and give any other mean.
        """
        self.batch_losses, num_labels = self.utterance_losses(outputs, batch, stage)
        # utterances that say nothing count as much as one label each
        self.num_labels = num_labels.sum().clamp(min=len(self.batch_losses))
        return self.batch_losses.sum() / self.num_labels

    def gather(self, batch: PaddedBatch, should_step: bool) -> Outcome:
        """Run a batch forward and backward.

        Arguments
        ---------
        batch : PaddedBatch
            Of the training.
        should_step : bool
            Whether it is the last one of its step.

        Returns
        -------
        Outcome
            What was seen on the way.
        """
        if self.micro_batches is None:
            outcome = self._gather(batch, should_step)
        else:
            outcome = self._gather_in_parts(batch, self.micro_batches)
        self.gathered_ids += outcome.ids
        return outcome

    def _gather(self, batch: PaddedBatch, should_step: bool) -> Outcome:
        model, is_lost = self.modules.model, _is_lost(batch)
        with nullcontext() if should_step else without_exchange(model):
            outputs, loss = self._run(batch, is_lost)
            self.scaler.scale(loss / self.grad_accumulation_factor).backward()
        self.num_heard += not is_lost
        told = torch.full_like(loss, torch.nan) if is_lost else loss
        return Outcome(batch, outputs, told, batch.id, self.batch_losses)

    def _run(self, batch: PaddedBatch, is_lost: bool) -> tuple[Any, Tensor]:
        run = partial(self._run_model, batch, is_lost)
        return run_replica(self.modules.model, run)

    def _run_model(self, batch: PaddedBatch, is_lost: bool) -> tuple[Any, Tensor]:
        # what an override may not tell: each utterance then has the batch's loss
        self.batch_losses = None
        self.num_labels = torch.tensor(len(batch), device=self.device)
        with self.training_ctx:
            outputs = self.compute_forward(batch, sb.Stage.TRAIN)
            loss = self.compute_objectives(outputs, batch, sb.Stage.TRAIN)
        if self.batch_losses is None:
            self.batch_losses = loss.detach().expand(len(batch))
        if is_lost:
            # what stands for it keeps processes in step, and teaches nothing
            self.batch_losses = torch.zeros_like(self.batch_losses)
            self.num_labels = torch.zeros_like(self.num_labels)
            loss = loss * 0
        return outputs, loss

    def _gather_in_parts(
        self, batch: PaddedBatch, micro_batches: MicroBatches
    ) -> Outcome:
        """Run a rank's share of a step in parts, smaller ones if memory runs out."""
        while True:
            try:
                parts = micro_batches.cut(batch)
                with without_exchange(self.modules.model):
                    gathered = self._gather_parts(
                        parts, micro_batches.share, _is_lost(batch)
                    )
                break
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            # here the error holds no tensors any more, and the losses are to hold none
            self.batch_losses = torch.empty(0)
            # what failed may have left gradients of some parameters
            self.zero_grad()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            micro_batches.halve()
        halvings = torch.tensor(float(micro_batches.num_halvings), device=self.device)
        micro_batches.num_halvings = int(ddp_all_reduce(halvings, ReduceOp.MAX))
        outcome, num_labels = gathered
        sums = torch.stack([outcome.losses.sum(), num_labels.to(outcome.losses)])
        loss_sum, num_labels = ddp_all_reduce(sums, ReduceOp.SUM)
        sum_gradients(self.modules.model)
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad *= micro_batches.share / num_labels.clamp(min=1)
        self.num_heard = int(num_labels > 0)
        return outcome._replace(loss=loss_sum / num_labels)

    def _gather_parts(
        self, parts: Sequence[PaddedBatch], share: int, is_lost: bool
    ) -> tuple[Outcome, Tensor]:
        """Gather gradients of the losses' sum over `share`; count the labels."""
        ids, losses, num_labels = [], [], []
        for part in parts:
            outputs, loss = self._run(part, is_lost)
            self.scaler.scale(loss * self.num_labels / share).backward()
            ids += part.id
            losses.append(self.batch_losses.detach())
            num_labels.append(self.num_labels)
        outcome = Outcome(part, outputs, loss, ids, torch.cat(losses))
        return outcome, torch.stack(num_labels).sum()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gathered gradients, and the utterances that they are of."""
        super().zero_grad(set_to_none)
        self.gathered_ids, self.num_heard = [], 0

    def average_gradients(self) -> bool:
        """Average over the batches of a step that were heard; tell if there are any.

        The last step of an epoch may have fewer than others, and so has one with
        batches that were skipped, in any process.
        """
        num_heard = torch.tensor(float(self.num_heard), device=self.device)
        num_heard = ddp_all_reduce(num_heard, ReduceOp.SUM)
        num_full = self.grad_accumulation_factor
        if self.distributed_launch:
            num_full *= torch.distributed.get_world_size()
        if 0 < num_heard < num_full:
            for parameter in self.model.parameters():
                if parameter.grad is not None:
                    parameter.grad *= num_full / num_heard
        return bool(num_heard > 0)


def _is_lost(batch: PaddedBatch) -> bool:
    return isinstance(batch, SpeechBatch) and batch.is_lost
