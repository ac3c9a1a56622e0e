"""What the Brain of every recipe shares: what becomes of a batch, and of an epoch."""

import logging
import math
import time
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import if_main_process
from torch import Tensor
from torch.utils.data import Dataset

from lact_modules.data.rounds import RoundSampler
from lact_modules.errors import InputError
from lact_modules.training.batch.batching import BatchLimits
from lact_modules.training.batch.speech_batch import faults_of, is_lost
from lact_modules.training.from_keys import from_keys
from lact_modules.training.gathering import GradientAccumulation, Outcome
from lact_modules.training.objective.batch_loss import BatchLoss
from lact_modules.training.optimization import Optimization, make_micro_batches
from lact_modules.training.optimizer.plan import plan_optimizer
from lact_modules.training.optimizer.range_test import find_learning_rate
from lact_modules.training.parallel.replicas import average_buffers
from lact_modules.training.parallel.sharding import (
    gather_parameters,
    is_sharded,
    save_whole,
)
from lact_modules.training.parameter.unfreezing import StagedUnfreezing
from lact_modules.training.resumable_brain import ResumableBrain

logger = logging.getLogger(__name__)


class RecipeBrain(ResumableBrain):
    """SpeechBrain's training loop for any model.

    A recipe's Brain adds `compute_forward` and `compute_objectives`; the latter returns
    a `BatchLoss`, or a scalar as SpeechBrain's do. A batch goes from `fit_batch` to
    `Optimization.learn`, which has `run_batch` call these two. What is here:

    - the learning rate follows ``schedule(step, total_steps)`` from the first update;
    - all parameters are clipped together, whatever their groups;
    - a loss or gradient that is not finite names its utterances and is skipped, with
      what its optimizer step gathered before;
    - logs, samples, validation and checkpoints by optimizer step, also in an epoch;
    - a resumed run draws the random numbers that it would have drawn; if batches have
      changed, it has the epoch's other utterances, and learning rates continue from the
      same share of the training;
    - the best checkpoints by `metric` are kept, and averaged for testing if that does
      better on dev than the best one;
    - more than ``nonfinite_patience`` utterances of a set that cannot be read, and more
      than one of a hundred, end the run;
    - SIGTERM and Ctrl-C end the training at a checkpoint.

    Reads from the YAML ``model``, ``schedule``, ``epoch_counter``, ``train_logger``,
    ``output_folder``, ``trackers``, ``avg_checkpoints``, ``nonfinite_patience``, what
    `plan_optimizer`, `BatchLimits`, `finetuning_of` and `find_learning_rate` read,
    ``fsdp``, ``history``, made by `launch`, and in optimizer steps, 0 for never,
    ``log_interval``, ``sample_interval``, ``valid_interval``, ``checkpoint_interval``.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    optimization: Optimization
    total_steps: int

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.unfreezing: StagedUnfreezing | None = None
        self.is_within_epoch = False

    def validation_metrics(self, stage_loss: float) -> dict[str, float]:
        """Sum up a validation that has ended: numbers by name, `metric` among them."""
        return {"loss": float(stage_loss)}

    def step_metrics(self) -> dict[str, float]:
        """Return more numbers by name to log beside the loss of a step."""
        return {}

    def show_sample(self, batch: PaddedBatch, outputs: Any) -> None:
        """Log what the model makes of a batch's first utterance."""

    def observe(self, outputs: Any, batch: PaddedBatch, stage: sb.Stage) -> None:
        """Collect what a validation or a test is about."""

    def train(
        self,
        train_set: Dataset,
        valid_set: Dataset,
        batch_sampler: RoundSampler | None,
        train_options: dict[str, Any],
        valid_options: dict[str, Any],
    ) -> None:
        """Train from the start, or from the last checkpoint.

        Arguments
        ---------
        train_set : Dataset
            Items with an ``id``, such as `make_dataset` makes, or `ShardBatches`.
        valid_set : Dataset
            For validation after each epoch.
        batch_sampler : RoundSampler | None
            Batches of `train_set`; None if it has them.
        train_options : dict[str, Any]
            For the training loader (``num_workers``, ...).
        valid_options : dict[str, Any]
            For the validation loader.

        Raises
        ------
        InputError
            If an epoch has fewer batches than one step accumulates, or training
            diverges.
        RateFound
            If a learning rate was to be found.
        """
        self.state.micro_batches = make_micro_batches(
            batch_sampler, from_keys(BatchLimits, self.hparams)
        )
        if self.state.micro_batches is not None:
            # a batch of the loader is all that a step takes
            self.grad_accumulation_factor = 1
        train_loader = self.make_train_loader(train_set, batch_sampler, train_options)
        self.valid_loader = self.make_dataloader(
            valid_set, sb.Stage.VALID, **valid_options
        )
        num_batches, factor = self.batches.num_batches, self.grad_accumulation_factor
        if num_batches < factor:
            raise InputError(
                f"grad_accumulation_factor {factor}: an epoch has only {num_batches} "
                "batches; accumulate fewer"
            )
        self.steps_per_epoch = math.ceil(num_batches / factor)
        self.total_steps = self.steps_per_epoch * self.hparams.epoch_counter.limit
        if self.hparams.find_lr:
            find_learning_rate(self, train_loader)
        with self.stop_request:
            self.fit(self.hparams.epoch_counter, train_loader, self.valid_loader)

    def init_optimizers(self) -> None:
        """Make the optimizer, and what updates the model by it; show its plan."""
        self.optimizer, self.unfreezing, table = from_keys(
            plan_optimizer,
            self.hparams,
            opt_class=self.opt_class,
            remove_vector_weight_decay=self.remove_vector_weight_decay,
        )
        self.optimizers_dict = {"opt_class": self.optimizer}
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("optimizer", self.optimizer)
            if is_sharded(self.model):
                save_whole(self.checkpointer, self.model, self.optimizer)
        if len(self.optimizer.param_groups) > 1 and if_main_process():
            logger.info("peak learning rates:\n%s", table)
        accumulation = GradientAccumulation(
            self._run_to_learn,
            self.modules,
            self.scaler,
            self.grad_accumulation_factor,
            self.state.micro_batches,
        )
        self.optimization = Optimization(
            accumulation, self.optimizer, self.max_grad_norm, self.nonfinite_patience
        )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gathered gradients."""
        self.optimization.zero_grad()

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Begin an epoch, or continue within it; validate what all ranks have."""
        if stage == sb.Stage.VALID:
            average_buffers(self.modules.model)
        if stage != sb.Stage.TRAIN:
            gather_parameters(self.model)
        else:
            assert epoch is not None
            self.unfreeze(epoch)
            self.batches.set_epoch(epoch)
            factor = self.grad_accumulation_factor
            self.state.progress.begin(math.ceil(self.batches.num_left / factor))
            self.num_gathered = 0

    def unfreeze(self, epoch: int) -> None:
        """Freeze and unfreeze what an epoch asks for."""
        if self.unfreezing is None:
            return
        if self.unfreezing.enter(epoch) and self.distributed_launch:
            # DDP exchanges what was trained when it was made
            self._wrap_distributed()

    def fit_batch(self, batch: PaddedBatch) -> Tensor:
        """Run one batch forward and backward; step where accumulation ends."""
        started = time.perf_counter()
        self.random_state.restore()
        self.unreadable[sb.Stage.TRAIN].note(faults_of(batch))
        self.state.history.train(self.optimizer_step)
        self.batches.advance(batch)
        self.num_gathered += 1
        is_full = self.num_gathered == self.grad_accumulation_factor
        # the last step of an epoch takes what remains
        should_step = is_full or self.batches.num_left == 0
        outcome = self.learn(batch, should_step)
        self.state.wall_s += time.perf_counter() - started
        if should_step:
            self.num_gathered = 0
            self.optimizer_step += 1
            self.state.progress.advance()
            self._after_step(outcome)
        return outcome.loss.detach().cpu()

    def learn(self, batch: PaddedBatch, should_step: bool) -> Outcome:
        """Learn from a batch at the scheduled rate, see `Optimization.learn`."""
        rate = self.hparams.schedule(self.scheduled_step, self.total_steps)
        return self.optimization.learn(batch, should_step, rate)

    def _run_to_learn(self, batch: PaddedBatch) -> tuple[Any, BatchLoss]:
        with self.training_ctx:
            return self.run_batch(batch, sb.Stage.TRAIN)

    def run_batch(self, batch: PaddedBatch, stage: sb.Stage) -> tuple[Any, BatchLoss]:
        """Run a batch forward: what the model makes of it, and its loss."""
        outputs = self.compute_forward(batch, stage)
        loss = self.compute_objectives(outputs, batch, stage)
        return outputs, BatchLoss.of(loss, len(batch))

    @torch.no_grad()
    def evaluate_batch(self, batch: PaddedBatch, stage: sb.Stage) -> Tensor:
        """Run one batch forward, and observe it; return its loss, NaN if unreadable."""
        self.unreadable[stage].note(faults_of(batch))
        if is_lost(batch):
            return torch.tensor(torch.nan)
        with self.evaluation_ctx:
            outputs, loss = self.run_batch(batch, stage)
            self.observe(outputs, batch, stage)
        return loss.mean.detach().cpu()

    def _after_step(self, outcome: Outcome) -> None:
        if self.is_due("log_interval"):
            self._log(
                "train",
                loss=outcome.loss.item(),
                **self.optimization.metrics(),
                **self.step_metrics(),
            )
        if self.is_due("sample_interval"):
            self.show_sample(outcome.batch, outcome.outputs)
        if self.is_due("valid_interval"):
            self._validate_within_epoch()

    def _log(self, split: str, **values: float) -> None:
        if self.state.log:
            self.state.log.log(
                split,
                self.optimizer_step,
                self.epoch,
                training_s=self.state.wall_s,
                **values,
            )

    def _fit_valid(self, valid_set: Any, epoch: int, enable: bool) -> None:
        super()._fit_valid(valid_set, epoch, enable)
        if not self.is_within_epoch and self.stop_request.was_made(self.device):
            self.stop_request.obey(self.optimizer_step)

    def _validate_within_epoch(self) -> None:
        batches_seen, epoch = self.step, self.hparams.epoch_counter.current
        self.is_within_epoch, self.step = True, 0
        self._fit_valid(self.valid_loader, epoch, enable=False)
        self.is_within_epoch, self.step = False, batches_seen
        self.modules.train()

    def on_stage_end(
        self, stage: sb.Stage, stage_loss: float, epoch: int | None = None
    ) -> None:
        """Log a stage; after an epoch's validation, save a checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.end_training(stage_loss)
        if stage == sb.Stage.VALID:
            metrics = self.validation_metrics(stage_loss)
            self._log("dev", **{name.lower(): metrics[name] for name in metrics})
            if not self.is_within_epoch:
                self.end_epoch(metrics)
