"""How a Brain turns batches into updates: gradients, clipping, learning rates."""

import logging
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import if_main_process

from lact_modules.encoders.compilation import CompiledBlocks
from lact_modules.errors import InputError
from lact_modules.training.batching import MicroBatches
from lact_modules.training.gathering import GatheringBrain, Outcome
from lact_modules.training.guard import NonFiniteGuard
from lact_modules.training.optimizer_plan import plan_optimizer
from lact_modules.training.replicas import (
    average_buffers,
    replicate,
)
from lact_modules.training.samplers import EffectiveBatchSampler, StagedSampler
from lact_modules.training.sharding import (
    gather_parameters,
    is_sharded,
    release_parameters,
    save_whole,
    shard,
    whole,
)
from lact_modules.training.unfreezing import StagedUnfreezing

logger = logging.getLogger(__name__)


class OptimizingBrain(GatheringBrain):
    """SpeechBrain's Brain with parameter groups, stages and effective batches.

    Reads from the YAML: ``model``, ``schedule``, ``parameter_groups``,
    ``layer_decay``, ``stages``, ``fsdp``, ``target_effective_batch``, and with the
    latter ``max_batch_size`` and ``max_batch_length``.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    total_steps: int

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.guard = NonFiniteGuard(self.nonfinite_patience)
        self.grad_norm = torch.tensor(torch.nan)
        self.unfreezing: StagedUnfreezing | None = None

    @property
    def scheduled_step(self) -> float:
        """Optimizer steps taken so far, as the schedule counts them."""
        return self.optimizer_step

    def use_sampler(self, sampler: Any) -> None:
        """Learn from a sampler how many batches make an optimizer step.

        Arguments
        ---------
        sampler : Any
            Of the training; None if the data come in batches.

        Raises
        ------
        InputError
            If `target_effective_batch` is wanted of a sampler that does not know it.
        """
        target = self.hparams.target_effective_batch
        if target is None:
            return
        # a last stage has batches of fewer and longer ones
        first = sampler.first if isinstance(sampler, StagedSampler) else sampler
        if not isinstance(first, EffectiveBatchSampler):
            raise InputError(
                "target_effective_batch: only a recognizer that reads audio files "
                "counts utterances; set grad_accumulation_factor instead"
            )
        # a batch of the loader is all that a step takes
        self.grad_accumulation_factor = 1
        self.micro_batches = MicroBatches(
            target // sampler.num_ranks,
            self.hparams.max_batch_size,
            self.hparams.max_batch_length,
        )
        logger.info("%d processes, on each %s", sampler.num_ranks, self.micro_batches)

    def _compile(self) -> None:
        """Compile in place: SpeechBrain's way gives weights other names."""
        for name in (self.compile_module_keys or self.modules) if self.compile else ():
            CompiledBlocks(
                self.modules[name],
                mode=self.compile_mode,
                fullgraph=self.compile_using_fullgraph,
                dynamic=self.compile_using_dynamic_shape_tracing,
            )

    def _wrap_distributed(self) -> None:
        if not self.distributed_launch:
            super()._wrap_distributed()
        elif self.hparams.fsdp:
            shard(self.model)
        else:
            self.modules["model"] = replicate(self.model)

    def init_optimizers(self) -> None:
        """Make the optimizer; show its plan where groups differ."""
        self.optimizer, self.unfreezing, table = plan_optimizer(
            self.hparams.model,
            self.opt_class,
            vars(self.hparams),
            decay_vectors=not self.remove_vector_weight_decay,
        )
        self.optimizers_dict = {"opt_class": self.optimizer}
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("optimizer", self.optimizer)
            if is_sharded(self.model):
                save_whole(self.checkpointer, self.model, self.optimizer)
        if len(self.optimizer.param_groups) > 1 and if_main_process():
            logger.info("peak learning rates:\n%s", table)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Freeze and unfreeze what the epoch asks for; validate what all ranks have."""
        if stage == sb.Stage.VALID:
            average_buffers(self.modules.model)
        if stage != sb.Stage.TRAIN:
            gather_parameters(self.model)
        if stage != sb.Stage.TRAIN or self.unfreezing is None:
            return
        assert epoch is not None
        if self.unfreezing.enter(epoch) and self.distributed_launch:
            # DDP exchanges what was trained when it was made
            self._wrap_distributed()

    def learn(self, batch: PaddedBatch, should_step: bool) -> Outcome:
        """Gather the gradients of a batch, and update if it is the last of a step.

        Arguments
        ---------
        batch : PaddedBatch
            Of the training.
        should_step : bool
            Whether to update.

        Returns
        -------
        Outcome
            What was seen on the way.
        """
        release_parameters(self.model)
        outcome = self.gather(batch, should_step)
        if self.guard.is_bad(outcome.losses, outcome.ids):
            # gradients gathered before are not in sync yet with other ranks
            self.zero_grad()
        elif should_step:
            self._update()
        if should_step:
            average_buffers(self.modules.model)
        return outcome

    def _update(self) -> None:
        self.scaler.unscale_(self.optimizer)
        if not self.average_gradients():
            self.zero_grad()
            self.scaler.update()
            return
        self.grad_norm = whole(
            torch.nn.utils.clip_grad_norm_(
                self.modules.parameters(), self.max_grad_norm
            )
        )
        factor = self.hparams.schedule(self.scheduled_step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        # a scaler skips overflowing steps by itself
        if self.scaler.is_enabled() or not self.guard.is_bad(
            self.grad_norm, self.gathered_ids
        ):
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.guard.reset()
        self.zero_grad()
