"""What a training keeps in its checkpoints, and when it saves them."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process, main_process_only

from lact_modules.errors import InputError
from lact_modules.training.history import OptionHistory
from lact_modules.training.last_stage import LastStage
from lact_modules.training.loading import LoadingBrain
from lact_modules.training.metrics_log import open_log
from lact_modules.training.progress import EpochProgress
from lact_modules.training.random_state import RandomState
from lact_modules.training.stopping import StopRequest


@register_checkpoint_hooks
class SavingBrain(LoadingBrain):
    """Checkpoints after epochs and within them, from which a training goes on alike.

    Reads from the YAML what `LoadingBrain` does, ``epoch_counter``,
    ``avg_checkpoints`` and ``checkpoint_interval``; ``history``, made by `launch`.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    metric = "loss"
    """Of validation; the lowest is the best."""

    steps_per_epoch: int
    step: int

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.random_state = RandomState()
        self.history = getattr(self.hparams, "history", OptionHistory(""))
        if self.checkpointer is not None:
            # older checkpoints have none
            self.checkpointer.add_recoverable(
                "random", self.random_state, optional_load=True
            )
        self.log = open_log(vars(self.hparams)) if if_main_process() else None
        self.stop_request = StopRequest()
        self.training_wall_s = 0.0
        self.progress = EpochProgress()
        self.num_gathered = 0

    @property
    def scheduled_step(self) -> float:
        """Place in the schedule: the share of the training that is done."""
        current = self.hparams.epoch_counter.current
        return self.progress.position(current, self.steps_per_epoch)

    @property
    def epoch(self) -> float:
        """Epochs done, with the share of the one that is not."""
        return self.progress.position(self.hparams.epoch_counter.current, 1)

    def is_due(self, key: str) -> bool:
        """Tell whether an interval ends with this optimizer step."""
        interval = getattr(self.hparams, key)
        return interval > 0 and self.optimizer_step % interval == 0

    @property
    def _is_cut_short(self) -> bool:
        """Whether SpeechBrain has left an epoch before its end."""
        may_be = self._optimizer_step_limit_exceeded or self.debug
        return may_be and self.batches.num_left > 0

    def end_training(self, train_loss: float) -> None:
        """Note where an epoch, or what there was of it, has ended.

        Arguments
        ---------
        train_loss : float
            Average over its batches.
        """
        self.train_loss, self._batches_seen = train_loss, self.step
        if self._is_cut_short:
            self.random_state.hold()

    def save_epoch(self, metrics: Mapping[str, float]) -> None:
        """Save a checkpoint after an epoch's validation, and keep the best.

        A run that is called again goes on within an epoch that was cut short, as if
        there had been no validation. Of a last stage the first checkpoint takes the
        place of all those before, so that none of these is tested or averaged.

        Arguments
        ---------
        metrics : Mapping[str, float]
            Of the validation, `metric` among them.
        """
        epoch: float = self.hparams.epoch_counter.current
        is_cut_short = self._is_cut_short
        if is_cut_short:
            epoch = self.epoch
            self.step, self.avg_train_loss = self._batches_seen, self.train_loss
            self.random_state.restore()
        self.checkpointer.save_and_keep_only(
            meta={**metrics, "epoch": epoch},
            end_of_epoch=not is_cut_short,
            min_keys=[self.metric],
            num_to_keep=self.hparams.avg_checkpoints,
            verbosity=logging.DEBUG,
        )
        self._leave_stages_behind(epoch)
        self.step, self.avg_train_loss = 0, 0.0

    def _leave_stages_behind(self, epoch: float) -> None:
        """Let a last stage have the checkpoints for itself, once there is one of it."""
        stage = LastStage.of(vars(self.hparams))
        if stage is None or epoch <= stage.first_epoch - 1:
            return
        self.checkpointer.delete_checkpoints(
            num_to_keep=0,
            min_keys=[self.metric],
            importance_keys=[],
            ckpt_predicate=lambda saved: (
                saved.meta.get("epoch", 0) <= stage.first_epoch - 1
            ),
            verbosity=logging.DEBUG,
        )

    def _should_save_intra_epoch_ckpt(
        self, last_ckpt_time: float, steps_since_ckpt: int
    ) -> bool:
        # by now the loss of the batch is in the epoch's average
        asked = super()._should_save_intra_epoch_ckpt(last_ckpt_time, steps_since_ckpt)
        if self.num_gathered:
            # gradients are not saved
            return False
        self.must_stop = self.stop_request.was_made(self.device)
        return asked or self.must_stop or self.is_due("checkpoint_interval")

    def _save_intra_epoch_ckpt(self) -> None:
        super()._save_intra_epoch_ckpt()
        if self.must_stop:
            self.stop_request.obey(self.optimizer_step)

    @mark_as_saver
    @main_process_only
    def _save(self, path: str) -> None:
        super()._save(path)
        state: dict[str, Any] = {
            "training_wall_s": self.training_wall_s,
            "progress": self.progress.state(),
            "epoch": self.epoch,
            **self.history.state(),
            "log_size": self.log.size() if self.log else None,
        }
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
        self.history.load(state)
        if not end_of_epoch and "progress" not in state:
            raise InputError(
                f"{Path(path).parent}: an older version has saved it within an epoch; "
                "delete it to go on from the end of the epoch before"
            )
        if not end_of_epoch:
            self.progress.load(state["progress"])
        if self.log and state.get("log_size") is not None:
            self.log.cut(state["log_size"])
        if self.micro_batches is not None:
            self.micro_batches.num_halvings = state.get("num_halvings", 0)
