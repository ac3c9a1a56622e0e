"""What the Brain of every recipe shares: epochs, logs, validation, checkpoints."""

import logging
import time
from typing import Any

import speechbrain as sb
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
from lact_modules.training.metrics_log import open_log
from lact_modules.training.optimization import OptimizingBrain, Outcome
from lact_modules.training.random_state import RandomState
from lact_modules.training.shards import ShardBatches, ShardLoader
from lact_modules.training.stopping import StopRequest, leave_process_group


@register_checkpoint_hooks
class RecipeBrain(OptimizingBrain):
    """SpeechBrain's training loop for any model.

    A recipe's Brain adds `compute_forward` and `utterance_losses`. What is here:

    - the learning rate follows ``schedule(step, total_steps)`` from the first update;
    - all parameters are clipped together, whatever their groups;
    - a loss or gradient that is not finite names its utterances and is skipped, with
      what its optimizer step gathered before;
    - logs, samples, validation and checkpoints by optimizer step, also in an epoch;
    - a resumed run draws the random numbers that it would have drawn;
    - the best checkpoints by `metric` are kept, and averaged for testing;
    - SIGTERM ends the training at a checkpoint.

    Reads from the YAML what `OptimizingBrain` does, ``output_folder``,
    ``avg_checkpoints``, ``nonfinite_patience``, ``epoch_counter``, ``train_logger``,
    and in optimizer steps, 0 for never, ``log_interval``, ``sample_interval``,
    ``valid_interval``, ``checkpoint_interval``.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    metric = "loss"
    """Of validation; the lowest is the best."""

    step: int
    train_set: Dataset
    train_sampler: Any

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.random_state = RandomState()
        if self.checkpointer is not None:
            # older checkpoints have none
            self.checkpointer.add_recoverable(
                "random", self.random_state, optional_load=True
            )
        self.log = open_log(vars(self.hparams)) if if_main_process() else None
        self.stop_request = StopRequest()
        self.training_wall_s = 0.0
        self.epoch = 0.0
        self.is_within_epoch = False

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
        batch_sampler: Any,
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
        batch_sampler : Any
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
        """
        self.train_set = train_set
        self.use_sampler(batch_sampler)
        train_loader = self.make_dataloader(
            train_set,
            sb.Stage.TRAIN,
            batch_sampler=batch_sampler,
            worker_init_fn=leave_process_group,
            **train_options,
        )
        # under DDP a wrapper of it is set already
        self.train_sampler = self.train_sampler or batch_sampler
        self.valid_loader = self.make_dataloader(
            valid_set,
            sb.Stage.VALID,
            ckpt_prefix=None,
            worker_init_fn=leave_process_group,
            **valid_options,
        )
        self.batches_per_epoch = len(train_loader)
        steps_per_epoch = self.batches_per_epoch // self.grad_accumulation_factor
        if steps_per_epoch == 0:
            raise InputError(
                f"grad_accumulation_factor {self.grad_accumulation_factor}: an epoch "
                f"has only {self.batches_per_epoch} batches; accumulate fewer"
            )
        self.total_steps = steps_per_epoch * self.hparams.epoch_counter.limit
        with self.stop_request:
            self.fit(self.hparams.epoch_counter, train_loader, self.valid_loader)

    def make_dataloader(
        self,
        dataset: Any,
        stage: sb.Stage,
        ckpt_prefix: str | None = "dataloader-",
        **options: Any,
    ) -> Any:
        """Make a loader, which checkpoints save."""
        if not isinstance(dataset, ShardBatches):
            return super().make_dataloader(dataset, stage, ckpt_prefix, **options)
        loader = ShardLoader(dataset, **options)
        self.checkpointer.add_recoverable(f"{ckpt_prefix}{stage.name}", loader)
        return loader

    def fit_batch(self, batch: PaddedBatch) -> Tensor:
        """Run one batch forward and backward; step where accumulation ends."""
        started = time.perf_counter()
        self.random_state.restore()
        should_step = self.step % self.grad_accumulation_factor == 0
        outcome = self.learn(batch, should_step)
        self.training_wall_s += time.perf_counter() - started
        done = self.hparams.epoch_counter.current - 1
        self.epoch = done + self.step / self.batches_per_epoch
        if should_step:
            self.optimizer_step += 1
            self._after_step(outcome)
        return outcome.loss.detach().cpu()

    def _after_step(self, outcome: Outcome) -> None:
        if self._is_due("log_interval"):
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
        if self._is_due("sample_interval"):
            self.show_sample(outcome.batch, outcome.outputs)
        if self._is_due("valid_interval"):
            self._validate_within_epoch()
        should_stop = self.stop_request.was_made(self.device)
        if should_stop or self._is_due("checkpoint_interval"):
            self._save_intra_epoch_ckpt()
        if should_stop:
            self.stop_request.obey(self.optimizer_step)

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
            # there may have been no batch left of the epoch
            self.random_state.restore()
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
        state: dict[str, Any] = {"training_wall_s": self.training_wall_s}
        if self.micro_batches is not None:
            state["num_halvings"] = self.micro_batches.num_halvings
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(yaml.dump(state))

    @mark_as_loader
    def _recover(self, path: str, end_of_epoch: bool) -> None:
        super()._recover(path, end_of_epoch)
        with open(path, encoding="utf-8") as stream:
            state = yaml.safe_load(stream)
        self.training_wall_s = state["training_wall_s"]
        if self.micro_batches is not None:
            self.micro_batches.num_halvings = state.get("num_halvings", 0)
