"""Epochs of batches out of shards, which a resumed training continues with."""

import logging
from pathlib import Path
from typing import Any

from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataloader import LoopedLoader
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from torch.utils.data import DataLoader

from lact_modules.errors import InputError
from lact_modules.training.shard.batches import ShardBatches
from lact_modules.training.shard.state import ShardState

logger = logging.getLogger(__name__)


@register_checkpoint_hooks
class ShardLoader(LoopedLoader):
    """Epochs of a known number of batches; a checkpoint may lie between any two.

    An epoch has `ShardBatches.count_batches` batches. The order of one epoch may pack
    the utterances into a few more batches, which are skipped then, or into a few less:
    a new pass supplies what is missing. A run that is resumed within an epoch continues
    with the next batch of the same order, if as many processes and workers read the
    same shards to batches of the same size; if not, with a pass over the utterances
    that the epoch has not seen.
    """

    def __init__(
        self, batches: ShardBatches, num_workers: int = 0, **loader_options: Any
    ):
        self.num_batches = batches.count_batches()
        if self.num_batches == 0:
            raise InputError(
                f"train_shards: too few utterances for {batches.num_ranks} processes; "
                "start fewer"
            )
        num_shards = len(batches.shards) // batches.num_ranks
        if num_workers > num_shards:
            logger.warning(
                "%d workers read, not %d: a process has %d shards",
                *(num_shards, num_workers, num_shards),
            )
            num_workers = num_shards
        loader_options |= {"batch_size": None, "num_workers": num_workers}
        super().__init__(DataLoader(batches, **loader_options), self.num_batches)
        self.batches = batches
        self._order = f"{batches.describe_order()} {num_workers}"
        self._saved: ShardState | None = None
        self.set_epoch(1)

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch, or continue with the one that was loaded."""
        saved, self._saved = self._saved, None
        if saved is None or saved.epoch != epoch:
            saved = ShardState(epoch, self._order)
        elif saved.order != self._order:
            saved = saved.begin_anew(self._order)
            logger.info(
                "epoch %d continues in other batches, without the %d utterances of "
                "those before",
                *(epoch, len(saved.before.keys)),
            )
        self._state, self.step = saved, saved.num_done
        self.epoch_length = self.num_batches
        if len(saved.before.keys):
            self.epoch_length = self.batches.count_batches(saved.before.seconds)

    @property
    def num_left(self) -> int:
        """Batches of this process that remain in the epoch."""
        return self.epoch_length - self._state.num_done

    def advance(self, batch: PaddedBatch) -> None:
        """Note the utterances that were trained on."""
        self._state.add(batch.id, batch.duration)

    def __iter__(self) -> "ShardLoader":
        state = self._state
        self.batches.start(state.epoch, state.num_done, state.before.keys)
        self.iterator = iter(self.loader)
        return self

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write what the epoch has seen; each rank writes its part."""
        self._state.save(path)

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool = False) -> None:
        """Read it; it is ignored at the end of an epoch."""
        if not end_of_epoch:
            self._saved = ShardState.load(path)
