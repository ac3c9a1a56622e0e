"""What the Brain of every recipe shares: steps, validation, checkpoints, testing."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
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
from speechbrain.utils.distributed import if_main_process
from torch import Tensor

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.errors import InputError
from lact_modules.inference.checkpoint import average_checkpoints, best_checkpoints
from lact_modules.training.error_rate import ErrorRate, score, write_error_report
from lact_modules.training.guard import NonFiniteGuard
from lact_modules.training.metrics_log import MetricsLog

logger = logging.getLogger(__name__)

Decoder = Callable[[Tensor, Tensor], list[Hypothesis]]


@register_checkpoint_hooks
class ASRBrain(sb.Brain):
    """SpeechBrain's training loop for recognizers.

    A recipe's Brain adds `compute_forward`, which gives whatever `decoders` take,
    and `utterance_losses`. What is here:

    - the learning rate follows ``schedule(step, total_steps)`` from the first update;
    - all parameters are clipped together;
    - a loss or gradient that is not finite names its utterances and is skipped;
    - sample predictions, validation and logs by optimizer step, also in an epoch;
    - the best checkpoints are kept, and averaged for testing.

    Reads from the YAML: ``output_folder``, ``schedule``, ``avg_checkpoints``,
    ``log_interval``, ``sample_interval``, ``valid_interval`` (optimizer steps, 0 for
    never), ``nonfinite_patience``, ``epoch_counter``.

    Arguments are those of `speechbrain.Brain`, and

    Arguments
    ---------
    decoders : dict[str, Decoder]
        By name; the first one serves validation and samples, all serve testing.
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    def __init__(self, decoders: dict[str, Decoder], **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.decoders = decoders
        self.guard = NonFiniteGuard(self.nonfinite_patience)
        self.log = MetricsLog(self.hparams.output_folder) if if_main_process() else None
        self.total_steps = 0
        self.num_infeasible = 0
        self.training_wall_s = 0.0
        self.grad_norm = torch.zeros(())
        self.valid_loader: Any = None
        self.is_within_epoch = False

    def utterance_losses(
        self, outputs: Any, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor]:
        """Give losses (B,) in nats, and numbers of labels (B,) to average over."""
        raise NotImplementedError

    def compute_objectives(
        self, outputs: Any, batch: PaddedBatch, stage: sb.Stage
    ) -> Tensor:
        """Average the losses over all labels of the batch; collect transcripts."""
        losses, num_labels = self.utterance_losses(outputs, batch, stage)
        if stage == sb.Stage.TRAIN:
            self.batch_losses = losses
        else:
            self._collect(outputs, batch)
        return losses.sum() / num_labels.sum().clamp(min=1)

    # Training -----------------------------------------------------------------

    def train(
        self,
        train_set: sb.dataio.dataset.DynamicItemDataset,
        valid_set: sb.dataio.dataset.DynamicItemDataset,
        batch_sampler: Any,
        loader_options: dict[str, Any],
        valid_loader_options: dict[str, Any],
    ) -> None:
        """Train from the start, or from the last checkpoint.

        Raises
        ------
        InputError
            If an epoch has fewer batches than are accumulated for a step, or
            training diverges.
        """
        train_loader = self.make_dataloader(
            train_set,
            sb.Stage.TRAIN,
            batch_sampler=batch_sampler,
            **loader_options,
        )
        self.train_sampler = self.train_sampler or batch_sampler
        self.valid_loader = self.make_dataloader(
            valid_set, sb.Stage.VALID, ckpt_prefix=None, **valid_loader_options
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
        with self.no_sync(not should_step):
            with self.training_ctx:
                outputs = self.compute_forward(batch, sb.Stage.TRAIN)
                loss = self.compute_objectives(outputs, batch, sb.Stage.TRAIN)
            if not self.guard.is_bad(self.batch_losses, batch.id):
                self.scaler.scale(loss / self.grad_accumulation_factor).backward()
        if should_step:
            self._step(batch.id)
        self.training_wall_s += time.perf_counter() - started
        if should_step:
            self._report(batch, outputs, loss)
        return loss.detach().cpu()

    def _step(self, ids: Sequence[str]) -> None:
        self.scaler.unscale_(self.optimizer)
        self.grad_norm = torch.nn.utils.clip_grad_norm_(
            self.modules.parameters(), self.max_grad_norm
        )
        factor = self.hparams.schedule(self.optimizer_step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        # a scaler skips overflowing steps by itself
        if self.scaler.is_enabled() or not self.guard.is_bad(self.grad_norm, ids):
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer_step += 1

    def _report(self, batch: PaddedBatch, outputs: Any, loss: Tensor) -> None:
        """Log, show a sample or validate, where this step is due for it."""
        step = self.optimizer_step
        if self.log and self._is_due(self.hparams.log_interval):
            self.log.log(
                "train",
                step,
                self._epoch(),
                loss=loss.item(),
                lr=self.optimizer.param_groups[0]["lr"],
                grad_norm=self.grad_norm.item(),
            )
        if self._is_due(self.hparams.sample_interval):
            self._show_sample(batch, outputs)
        if self._is_due(self.hparams.valid_interval):
            batches_seen = self.step
            self.is_within_epoch = True
            self._fit_valid(self.valid_loader, self.hparams.epoch_counter.current, False)
            self.is_within_epoch = False
            self.step = batches_seen
            self.modules.train()

    def _is_due(self, interval: int) -> bool:
        return interval > 0 and self.optimizer_step % interval == 0

    def _epoch(self) -> float:
        done = self.hparams.epoch_counter.current - 1
        return done + self.step / self.batches_per_epoch

    def _show_sample(self, batch: PaddedBatch, outputs: Any) -> None:
        with torch.no_grad():
            hypothesis = self._first_decoder(*outputs)[0]
        logger.info(
            "step %d, sample %s\n  said:  %s\n  heard: %s",
            self.optimizer_step,
            batch.id[0],
            batch.text[0],
            hypothesis.text,
        )

    # Validation and testing ---------------------------------------------------

    @property
    def _first_decoder(self) -> Decoder:
        return next(iter(self.decoders.values()))

    def _collect(self, outputs: Any, batch: PaddedBatch) -> None:
        self.ids += batch.id
        self.references += batch.text
        for name, decoder in self.active_decoders.items():
            self.hypotheses[name] += [h.text for h in decoder(*outputs)]

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Forget the transcripts of the stage before."""
        if stage == sb.Stage.TRAIN:
            self.num_infeasible = 0
            return
        name = next(iter(self.decoders))
        is_test = stage == sb.Stage.TEST
        self.active_decoders = (
            self.decoders if is_test else {name: self.decoders[name]}
        )
        self.ids: list[str] = []
        self.references: list[str] = []
        self.hypotheses: dict[str, list[str]] = {n: [] for n in self.active_decoders}

    def on_stage_end(
        self, stage: sb.Stage, stage_loss: float, epoch: int | None = None
    ) -> None:
        """Log a stage; after an epoch's validation, save a checkpoint."""
        if stage == sb.Stage.TRAIN:
            self.train_loss = stage_loss
            if self.num_infeasible:
                logger.warning(
                    "epoch %d: %d utterances have more labels than frames and were "
                    "not trained on; raise frame_rate or split them",
                    epoch,
                    self.num_infeasible,
                )
        if stage == sb.Stage.VALID:
            rates = score(
                self.references, *self.hypotheses.values(), num_bootstrap=0
            )
            self._log_validation(rates, stage_loss)
            if not self.is_within_epoch:
                self._save_epoch(rates, stage_loss)

    def _log_validation(self, rates: ErrorRate, loss: float) -> None:
        if self.log:
            epoch = float(self.hparams.epoch_counter.current)
            if self.is_within_epoch:
                epoch = self._epoch()
            self.log.log(
                "dev",
                self.optimizer_step,
                epoch,
                loss=float(loss),
                wer=rates.wer,
                cer=rates.cer,
            )

    def _save_epoch(self, rates: ErrorRate, loss: float) -> None:
        epoch = self.hparams.epoch_counter.current
        if if_main_process():
            self.hparams.train_logger.log_stats(
                stats_meta={
                    "epoch": epoch,
                    "steps": self.optimizer_step,
                    "lr": self.optimizer.param_groups[0]["lr"],
                },
                train_stats={"loss": self.train_loss},
                valid_stats={"loss": float(loss), "WER": rates.wer, "CER": rates.cer},
            )
        self.checkpointer.save_and_keep_only(
            meta={"WER": float(rates.wer), "loss": float(loss), "epoch": epoch},
            min_keys=["WER"],
            num_to_keep=self.hparams.avg_checkpoints,
            verbosity=logging.DEBUG,
        )

    def on_evaluate_start(
        self, max_key: str | None = None, min_key: str | None = None
    ) -> None:
        """Load the average of the best checkpoints."""
        best = best_checkpoints(
            self.hparams.output_folder, self.hparams.avg_checkpoints
        )
        model = self.modules.model
        getattr(model, "module", model).load_state_dict(average_checkpoints(best))

    def test(
        self,
        split: str,
        dataset: sb.dataio.dataset.DynamicItemDataset,
        loader_options: dict[str, Any],
    ) -> dict[str, dict[str, Any]]:
        """Transcribe a split with the averaged checkpoints; write ``wer_<split>.txt``.

        Arguments
        ---------
        split : str
            Its name.
        dataset : DynamicItemDataset
            Its utterances, with ``duration``.
        loader_options : dict[str, Any]
            For the data loader.

        Returns
        -------
        dict[str, dict[str, Any]]
            Metrics by decoder, as `write_result` takes them.
        """
        started = time.perf_counter()
        self.evaluate(dataset, test_loader_kwargs=dict(loader_options))
        wall_s = time.perf_counter() - started
        audio_s = sum(entry["duration"] for entry in dataset.data.values())
        metrics = {}
        for name, hypotheses in self.hypotheses.items():
            rates = score(self.references, hypotheses)
            metrics[name] = {**vars(rates), "rtf": wall_s / audio_s}
            suffix = "" if name == next(iter(self.decoders)) else f"_{name}"
            report = Path(self.hparams.output_folder) / f"wer_{split}{suffix}.txt"
            if if_main_process():
                write_error_report(report, self.ids, self.references, hypotheses)
            logger.info(
                "%s, %s: WER %.2f %% [%.2f, %.2f], CER %.2f %%",
                split,
                name,
                rates.wer,
                *rates.wer_interval,
                rates.cer,
            )
        return metrics

    # Resuming -----------------------------------------------------------------

    @mark_as_saver
    def _save(self, path: str) -> None:
        super()._save(path)
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(yaml.dump({"training_wall_s": self.training_wall_s}))

    @mark_as_loader
    def _recover(self, path: str, end_of_epoch: bool) -> None:
        super()._recover(path, end_of_epoch)
        with open(path, encoding="utf-8") as stream:
            self.training_wall_s = yaml.safe_load(stream)["training_wall_s"]
