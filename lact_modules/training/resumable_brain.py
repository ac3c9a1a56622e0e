"""SpeechBrain's Brain in a run that continues as if it had never been interrupted."""

from functools import partial
from typing import Any

import speechbrain as sb
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process, main_process_only
from torch import nn
from torch.utils.data import Dataset

from lact_modules.data.rounds import RoundSampler
from lact_modules.encoders.compilation import CompiledBlocks
from lact_modules.training.batch.resuming import ResumableSampler
from lact_modules.training.batch.unreadable import UnreadableAudio
from lact_modules.training.checkpointing.averaging import (
    Weights,
    choose_weights,
    validate_weights,
)
from lact_modules.training.checkpointing.history import OptionHistory
from lact_modules.training.checkpointing.random_state import RandomState
from lact_modules.training.checkpointing.stopping import StopRequest
from lact_modules.training.from_keys import finetuning_of, from_keys
from lact_modules.training.loading import make_batches, with_speech
from lact_modules.training.parallel.replicas import replicate, unwrapped
from lact_modules.training.parallel.sharding import shard
from lact_modules.training.run_state import RunState
from lact_modules.training.saving import save_and_keep_best
from lact_modules.training.shard.loader import ShardLoader
from lact_modules.training.tracking.metrics_log import open_log


@register_checkpoint_hooks
class ResumableBrain(sb.Brain):
    """What surrounds the batches of a training: loaders, processes, checkpoints.

    `RecipeBrain` adds what becomes of a batch.
    """

    metric = "loss"
    """Of validation; the lowest is the best."""

    batches: ResumableSampler | ShardLoader
    steps_per_epoch: int
    step: int

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.unreadable: dict[sb.Stage, UnreadableAudio] = {}
        self.random_state = RandomState()
        if self.checkpointer is not None:
            # older checkpoints have none
            self.checkpointer.add_recoverable(
                "random", self.random_state, optional_load=True
            )
        log = None
        if if_main_process():
            log = from_keys(open_log, self.hparams, settings=vars(self.hparams))
        history = getattr(self.hparams, "history", OptionHistory(""))
        self.state = RunState(history, log)
        self.stop_request = StopRequest()
        self.num_gathered = 0
        self.validated: Weights | None = None

    @property
    def model(self) -> nn.Module:
        """The model, without what shares it among processes."""
        return unwrapped(self.modules.model)

    @property
    def scheduled_step(self) -> float:
        """Place in the schedule: the share of the training that is done."""
        current = self.hparams.epoch_counter.current
        return self.state.progress.position(current, self.steps_per_epoch)

    @property
    def epoch(self) -> float:
        """Epochs done, with the share of the one that is not."""
        return self.state.progress.position(self.hparams.epoch_counter.current, 1)

    def is_due(self, key: str) -> bool:
        """Return whether an interval ends with this optimizer step."""
        interval = getattr(self.hparams, key)
        return interval > 0 and self.optimizer_step % interval == 0

    def make_train_loader(
        self, dataset: Dataset, sampler: RoundSampler | None, options: dict[str, Any]
    ) -> Any:
        """Make a loader, and `batches`, which keeps its place in an epoch."""
        rank = self.rank if self.distributed_launch else 0
        self.batches = make_batches(dataset, sampler, rank, options)
        # older checkpoints have none
        self.checkpointer.add_recoverable("batches", self.batches, optional_load=True)
        if isinstance(self.batches, ShardLoader):
            self._watch_reading(dataset, sb.Stage.TRAIN)
            return self.batches
        options = {**options, "batch_sampler": self.batches}
        return self.make_dataloader(dataset, sb.Stage.TRAIN, None, **options)

    def make_dataloader(
        self,
        dataset: Any,
        stage: sb.Stage,
        ckpt_prefix: str | None = None,
        **options: Any,
    ) -> Any:
        """Make SpeechBrain's loader of a dataset, see `with_speech`."""
        self._watch_reading(dataset, stage)
        options = with_speech(dataset, options)
        return super().make_dataloader(dataset, stage, ckpt_prefix, **options)

    def _watch_reading(self, dataset: Any, stage: sb.Stage) -> None:
        self.unreadable[stage] = UnreadableAudio.of(dataset, self.nonfinite_patience)

    def _train_loader_specifics(
        self, dataset: Any, loader_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        # batches are dealt out to ranks already
        return loader_kwargs

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

    @property
    def _is_cut_short(self) -> bool:
        """Whether SpeechBrain has left an epoch before its end."""
        may_be = self._optimizer_step_limit_exceeded or self.debug
        return may_be and self.batches.num_left > 0

    def end_training(self, train_loss: float) -> None:
        """Note where an epoch, or what there was of it, has ended."""
        # there may have been no batch left of the epoch
        self.random_state.restore()
        self.train_loss, self._batches_seen = train_loss, self.step
        if self._is_cut_short:
            self.random_state.hold()

    def end_epoch(self, metrics: dict[str, float]) -> None:
        """Save a checkpoint after an epoch's validation.

        A run that is called again continues within an epoch that was cut short, as if
        there had been no validation.
        """
        epoch: float = self.hparams.epoch_counter.current
        self.hparams.train_logger.log_stats(
            stats_meta={"epoch": epoch, "steps": self.optimizer_step},
            train_stats={"loss": self.train_loss},
            valid_stats=metrics,
        )
        is_cut_short = self._is_cut_short
        if is_cut_short:
            epoch = self.epoch
            self.step, self.avg_train_loss = self._batches_seen, self.train_loss
            self.random_state.restore()
        save_and_keep_best(
            self.checkpointer,
            metrics,
            self.metric,
            self.hparams.avg_checkpoints,
            epoch,
            not is_cut_short,
            finetuning_of(self.hparams),
        )
        self.step, self.avg_train_loss = 0, 0.0

    def _should_save_intra_epoch_ckpt(
        self, last_ckpt_time: float, steps_since_ckpt: int
    ) -> bool:
        # by now the loss of the batch is in the epoch's average
        is_due_by_time = super()._should_save_intra_epoch_ckpt(
            last_ckpt_time, steps_since_ckpt
        )
        if self.num_gathered:
            # gradients are not saved
            return False
        self.must_stop = self.stop_request.was_made(self.device)
        return is_due_by_time or self.must_stop or self.is_due("checkpoint_interval")

    def _save_intra_epoch_ckpt(self) -> None:
        super()._save_intra_epoch_ckpt()
        if self.must_stop:
            self.stop_request.obey(self.optimizer_step)

    @mark_as_saver
    @main_process_only
    def _save(self, path: str) -> None:
        super()._save(path)
        self.state.append_to(path, self.epoch)

    @mark_as_loader
    def _recover(self, path: str, end_of_epoch: bool) -> None:
        super()._recover(path, end_of_epoch)
        self.state.read(path, end_of_epoch)

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
