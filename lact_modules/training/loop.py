"""What the Brain of every recipe shares: epochs, logs, validation, checkpoints."""

import math
import time
from functools import partial
from typing import Any

import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor
from torch.utils.data import Dataset

from lact_modules.data.rounds import RoundSampler
from lact_modules.errors import InputError
from lact_modules.training.averaging import Weights, choose_weights, validate_weights
from lact_modules.training.gathering import Outcome
from lact_modules.training.range_test import find_learning_rate
from lact_modules.training.saving import SavingBrain


class RecipeBrain(SavingBrain):
    """SpeechBrain's training loop for any model.

    A recipe's Brain adds `compute_forward` and `utterance_losses`. What is here:

    - the learning rate follows ``schedule(step, total_steps)`` from the first update;
    - all parameters are clipped together, whatever their groups;
    - a loss or gradient that is not finite names its utterances and is skipped, with
      what its optimizer step gathered before;
    - logs, samples, validation and checkpoints by optimizer step, also in an epoch;
    - a resumed run draws the random numbers that it would have drawn; if batches have
      changed, it has the epoch's other utterances, and learning rates go on from the
      same share of the training;
    - the best checkpoints by `metric` are kept, and averaged for testing if that does
      better on dev than the best one;
    - SIGTERM and Ctrl-C end the training at a checkpoint.

    Reads from the YAML what `OptimizingBrain` does, ``output_folder``,
    ``avg_checkpoints``, ``nonfinite_patience``, ``epoch_counter``, ``train_logger``,
    and in optimizer steps, 0 for never, ``log_interval``, ``sample_interval``,
    ``valid_interval``, ``checkpoint_interval``.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.is_within_epoch = False
        self.validated: Weights | None = None

    def validation_metrics(self, stage_loss: float) -> dict[str, float]:
        """Sum up a validation that has ended: numbers by name, `metric` among them."""
        return {"loss": float(stage_loss)}

    def step_metrics(self) -> dict[str, float]:
        """Give more numbers by name to log beside the loss of a step."""
        return {}

    def show_sample(self, batch: PaddedBatch, outputs: Any) -> None:
        """Log what the model makes of a batch's first utterance."""

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
        self.use_sampler(batch_sampler)
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

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Begin an epoch, or go on within it."""
        super().on_stage_start(stage, epoch)
        if stage == sb.Stage.TRAIN:
            assert epoch is not None
            self.batches.set_epoch(epoch)
            factor = self.grad_accumulation_factor
            self.progress.begin(math.ceil(self.batches.num_left / factor))
            self.num_gathered = 0

    def fit_batch(self, batch: PaddedBatch) -> Tensor:
        """Run one batch forward and backward; step where accumulation ends."""
        started = time.perf_counter()
        self.random_state.restore()
        self.note_faults(batch, sb.Stage.TRAIN)
        self.history.train(self.optimizer_step)
        self.batches.advance(batch)
        self.num_gathered += 1
        is_full = self.num_gathered == self.grad_accumulation_factor
        # the last step of an epoch takes what remains
        should_step = is_full or self.batches.num_left == 0
        outcome = self.learn(batch, should_step)
        self.training_wall_s += time.perf_counter() - started
        if should_step:
            self.num_gathered = 0
            self.optimizer_step += 1
            self.progress.advance()
            self._after_step(outcome)
        return outcome.loss.detach().cpu()

    def _after_step(self, outcome: Outcome) -> None:
        if self.is_due("log_interval"):
            groups = self.optimizer.param_groups
            several = groups if len(groups) > 1 else []
            self._log(
                "train",
                loss=outcome.loss.item(),
                lr=max(group["lr"] for group in groups),
                grad_norm=self.grad_norm.item(),
                **{f"lr/{group['name']}": group["lr"] for group in several},
                **self.step_metrics(),
            )
        if self.is_due("sample_interval"):
            self.show_sample(outcome.batch, outcome.outputs)
        if self.is_due("valid_interval"):
            self._validate_within_epoch()

    def _log(self, split: str, **values: float) -> None:
        if self.log:
            self.log.log(
                split,
                self.optimizer_step,
                self.epoch,
                training_s=self.training_wall_s,
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
            # there may have been no batch left of the epoch
            self.random_state.restore()
            self.end_training(stage_loss)
        if stage == sb.Stage.VALID:
            metrics = self.validation_metrics(stage_loss)
            self._log("dev", **{name.lower(): metrics[name] for name in metrics})
            if not self.is_within_epoch:
                self._end_epoch(metrics)

    def _end_epoch(self, metrics: dict[str, float]) -> None:
        epoch = self.hparams.epoch_counter.current
        self.hparams.train_logger.log_stats(
            stats_meta={"epoch": epoch, "steps": self.optimizer_step},
            train_stats={"loss": self.train_loss},
            valid_stats=metrics,
        )
        self.save_epoch(metrics)

    def on_evaluate_start(
        self, max_key: str | None = None, min_key: str | None = None
    ) -> None:
        """Load the best checkpoint, or an average if that does better on dev."""
        weights = choose_weights(
            self.checkpointer.checkpoints_dir,
            self.metric,
            self.hparams.avg_checkpoints,
            partial(validate_weights, self),
        )
        self.hparams.model.load_state_dict(weights)
