"""What the Brain of every recipe shares: steps, validation, checkpoints."""

import logging
import time
from typing import Any

import speechbrain as sb
import torch
import yaml
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process, main_process_only
from torch import Tensor
from torch.utils.data import Dataset

from lact_modules.errors import InputError
from lact_modules.inference.checkpoint import Checkpoint, average_checkpoints
from lact_modules.training.guard import NonFiniteGuard
from lact_modules.training.metrics_log import MetricsLog


@register_checkpoint_hooks
class RecipeBrain(sb.Brain):
    """SpeechBrain's training loop for any model.

    A recipe's Brain adds `compute_forward` and `utterance_losses`. What is here:

    - the learning rate follows ``schedule(step, total_steps)`` from the first update;
    - all parameters are clipped together;
    - a loss or gradient that is not finite names its utterances and is skipped, with
      what its optimizer step gathered before;
    - logs, samples, validation and checkpoints by optimizer step, also in an epoch;
    - the best checkpoints by `metric` are kept, and averaged for testing.

    Reads from the YAML: ``output_folder``, ``schedule``, ``avg_checkpoints``,
    ``nonfinite_patience``, ``epoch_counter``, ``train_logger``, and in optimizer
    steps, 0 for never, ``log_interval``, ``sample_interval``, ``valid_interval``,
    ``checkpoint_interval``.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    metric = "loss"
    """Of validation; the lowest is the best."""

    step: int
    train_sampler: Any

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.guard = NonFiniteGuard(self.nonfinite_patience)
        self.grad_norm = torch.tensor(torch.nan)
        self.log = MetricsLog(self.hparams.output_folder) if if_main_process() else None
        self.training_wall_s = 0.0
        self.epoch = 0.0
        self.is_within_epoch = False

    def utterance_losses(
        self, outputs: Any, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor]:
        """Give losses (B,) in nats, and numbers of labels (B,) to average over."""
        raise NotImplementedError

    def validation_metrics(self, stage_loss: float) -> dict[str, float]:
        """Sum up a validation that has ended: numbers by name, `metric` among them."""
        return {"loss": float(stage_loss)}

    def show_sample(self, batch: PaddedBatch, outputs: Any) -> None:
        """Log what the model makes of a batch's first utterance."""

    def compute_objectives(
        self, outputs: Any, batch: PaddedBatch, stage: sb.Stage
    ) -> Tensor:
        """Average the losses over all labels of the batch."""
        self.batch_losses, num_labels = self.utterance_losses(outputs, batch, stage)
        return self.batch_losses.sum() / num_labels.sum().clamp(min=1)

    def train(
        self,
        train_set: Dataset,
        valid_set: Dataset,
        batch_sampler: Any,
        train_options: dict[str, Any],
        valid_options: dict[str, Any],
    ) -> None:
        """Train from the start, or from the last checkpoint.

        Arguments
        ---------
        train_set : Dataset
            Items with an ``id``, such as `make_dataset` makes.
        valid_set : Dataset
            For validation after each epoch.
        batch_sampler : Any
            Batches of `train_set`.
        train_options : dict[str, Any]
            For the training loader (``num_workers``, ...).
        valid_options : dict[str, Any]
            For the validation loader.

        Raises
        ------
        InputError
            If an epoch has fewer batches than one step accumulates, or training
            diverges.
        """
        train_loader = self.make_dataloader(
            train_set, sb.Stage.TRAIN, batch_sampler=batch_sampler, **train_options
        )
        # under DDP a wrapper of it is set already
        self.train_sampler = self.train_sampler or batch_sampler
        self.valid_loader = self.make_dataloader(
            valid_set, sb.Stage.VALID, ckpt_prefix=None, **valid_options
        )
        self.batches_per_epoch = len(train_loader)
        steps_per_epoch = self.batches_per_epoch // self.grad_accumulation_factor
        if steps_per_epoch == 0:
            raise InputError(
                f"grad_accumulation_factor {self.grad_accumulation_factor}: an epoch "
                f"has only {self.batches_per_epoch} batches; accumulate fewer"
            )
        self.total_steps = steps_per_epoch * self.hparams.epoch_counter.limit
        self.fit(self.hparams.epoch_counter, train_loader, self.valid_loader)

    def init_optimizers(self) -> None:
        """Make the optimizer and remember each group's peak learning rate."""
        super().init_optimizers()
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def fit_batch(self, batch: PaddedBatch) -> Tensor:
        """Run one batch forward and backward; step where accumulation ends."""
        started = time.perf_counter()
        should_step = self.step % self.grad_accumulation_factor == 0
        self.gathered_ids += batch.id
        with self.no_sync(not should_step):
            with self.training_ctx:
                outputs = self.compute_forward(batch, sb.Stage.TRAIN)
                loss = self.compute_objectives(outputs, batch, sb.Stage.TRAIN)
            is_bad = self.guard.is_bad(self.batch_losses, batch.id)
            if not is_bad:
                self.scaler.scale(loss / self.grad_accumulation_factor).backward()
        if is_bad:
            # gradients gathered before are not in sync yet with other ranks
            self.zero_grad()
        elif should_step:
            self._update()
        self.training_wall_s += time.perf_counter() - started
        done = self.hparams.epoch_counter.current - 1
        self.epoch = done + self.step / self.batches_per_epoch
        if should_step:
            self.optimizer_step += 1
            self._after_step(batch, outputs, loss)
        return loss.detach().cpu()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gathered gradients, and the utterances that they are of."""
        super().zero_grad(set_to_none)
        self.gathered_ids: list[str] = []

    def _update(self) -> None:
        self.scaler.unscale_(self.optimizer)
        self.grad_norm = torch.nn.utils.clip_grad_norm_(
            self.modules.parameters(), self.max_grad_norm
        )
        factor = self.hparams.schedule(self.optimizer_step, self.total_steps)
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

    def _after_step(self, batch: PaddedBatch, outputs: Any, loss: Tensor) -> None:
        if self._is_due("log_interval"):
            self._log(
                "train",
                loss=loss.item(),
                lr=self.optimizer.param_groups[0]["lr"],
                grad_norm=self.grad_norm.item(),
            )
        if self._is_due("sample_interval"):
            self.show_sample(batch, outputs)
        if self._is_due("valid_interval"):
            self._validate_within_epoch()
        if self._is_due("checkpoint_interval"):
            self._save_intra_epoch_ckpt()

    def _is_due(self, key: str) -> bool:
        interval = getattr(self.hparams, key)
        return interval > 0 and self.optimizer_step % interval == 0

    def _log(self, split: str, **values: float) -> None:
        if self.log:
            self.log.log(
                split,
                self.optimizer_step,
                self.epoch,
                training_s=self.training_wall_s,
                **values,
            )

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
            self.train_loss = stage_loss
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
        self.checkpointer.save_and_keep_only(
            meta={**metrics, "epoch": epoch},
            min_keys=[self.metric],
            num_to_keep=self.hparams.avg_checkpoints,
            verbosity=logging.DEBUG,
        )

    def on_evaluate_start(
        self, max_key: str | None = None, min_key: str | None = None
    ) -> None:
        """Load the average of the best checkpoints."""
        best = self.checkpointer.find_checkpoints(
            min_key=self.metric, max_num_checkpoints=self.hparams.avg_checkpoints
        )
        if not best:
            raise InputError(
                f"{self.checkpointer.checkpoints_dir}: no checkpoint of a whole epoch; "
                "train first"
            )
        average = average_checkpoints([Checkpoint(c.path, c.meta) for c in best])
        model = self.modules.model
        # DDP wraps it
        getattr(model, "module", model).load_state_dict(average)

    @mark_as_saver
    @main_process_only
    def _save(self, path: str) -> None:
        super()._save(path)
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(yaml.dump({"training_wall_s": self.training_wall_s}))

    @mark_as_loader
    def _recover(self, path: str, end_of_epoch: bool) -> None:
        super()._recover(path, end_of_epoch)
        with open(path, encoding="utf-8") as stream:
            self.training_wall_s = yaml.safe_load(stream)["training_wall_s"]
