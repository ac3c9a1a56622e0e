"""Batches of an epoch that a resumed training continues, of the same size or not."""

import hashlib
import itertools
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import main_process_only

from lact_modules.data.rounds import RoundSampler
from lact_modules.errors import InputError
from lact_modules.training.dataset.stream_dataset import StreamDataset

logger = logging.getLogger(__name__)

NOTHING = np.empty(0, dtype=np.uint64)
"""Keys of no utterance."""


@register_checkpoint_hooks
class ResumableSampler:
    """A process's batches, for a loader; a checkpoint may lie between any two.

    A checkpoint keeps which utterances the epoch has had. A run that is resumed with
    the same batches continues with the next; with others, because their size, the data
    or the number of processes have changed, it batches the utterances that are left.
    """

    def __init__(self, sampler: RoundSampler, dataset: Any, rank: int = 0):
        self.sampler, self.dataset, self.rank = sampler, dataset, rank
        self._source = str(getattr(dataset, "key", ""))
        self._saved: dict[str, NDArray] | None = None
        self._rows, self._keys = _list_utterances(dataset)
        self._plan(epoch=1, before=NOTHING)
        # of each process in an epoch that nothing changes
        self.num_batches = len(self._rounds)

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch with the utterances that it has not had yet."""
        if isinstance(self.dataset, StreamDataset):
            self.dataset.set_epoch(epoch)
            self._rows, self._keys = _list_utterances(self.dataset)
        saved, self._saved = self._saved, None
        if saved is None or saved["epoch"] != epoch:
            self._plan(epoch, before=NOTHING)
            return
        if saved["source"] != self._source:
            raise InputError(
                f"the texts have changed within epoch {epoch}: they were "
                f"{saved['source']} and are {self._source}; give those that the run "
                "began with, or another output_folder"
            )
        self._plan(epoch, saved["before"])
        if not self._skip(saved["done"]):
            self._plan(epoch, np.concatenate([saved["before"], saved["done"]]))
            logger.info(
                "epoch %d continues in other batches: %d utterances remain",
                *(epoch, self._is_left.sum()),
            )

    def _plan(self, epoch: int, before: NDArray[np.uint64]) -> None:
        """Batch all but what the epoch had before."""
        self._epoch, self._before, self._num_done = epoch, before, 0
        self._is_left = ~np.isin(self._keys, before)
        if isinstance(self.dataset, StreamDataset):
            self.dataset.keep(self._is_left)
        rows = np.unique(self._rows[self._is_left])
        self._rounds = self.sampler.rounds(rows, epoch) if len(rows) else []
        if len(rows) and not self._rounds:
            logger.warning(
                "epoch %d: %d utterances are too few for as many processes, skipped",
                *(epoch, len(rows)),
            )

    def _skip(self, done: NDArray[np.uint64]) -> bool:
        """Skip the batches of utterances that are done; False if they hold others."""
        in_row = np.bincount(self._rows[self._is_left], minlength=len(self.dataset))
        num_utterances = 0
        while num_utterances < len(done) and self._num_done < len(self._rounds):
            batches = self._rounds[self._num_done]
            num_utterances += sum(in_row[batch].sum() for batch in batches)
            self._num_done += 1
        return np.array_equal(np.sort(self._done()), np.sort(done))

    def _done(self) -> NDArray[np.uint64]:
        """Return the keys of the utterances in the batches that are done."""
        is_done = np.zeros(len(self.dataset), dtype=bool)
        for batch in itertools.chain.from_iterable(self._rounds[: self._num_done]):
            is_done[batch] = True
        return self._keys[is_done[self._rows] & self._is_left]

    @property
    def num_left(self) -> int:
        """Batches of this process that remain in the epoch."""
        return len(self._rounds) - self._num_done

    def advance(self, batch: Any) -> None:
        """Count a batch that was trained on."""
        self._num_done += 1

    def __len__(self) -> int:
        return len(self._rounds)

    def __iter__(self) -> Iterator[list[int]]:
        for batches in self._rounds[self._num_done :]:
            yield batches[self.rank].tolist()

    @mark_as_saver
    @main_process_only
    def save(self, path: str | Path) -> None:
        """Write which utterances the epoch has had."""
        with open(path, "wb") as stream:
            np.savez(
                stream,
                epoch=self._epoch,
                source=self._source,
                before=self._before,
                done=self._done(),
            )

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Read it; after the end of an epoch nothing of it counts."""
        if not end_of_epoch:
            with np.load(path) as saved:
                self._saved = dict(saved)


def _list_utterances(dataset: Any) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the rows of a dataset's utterances, and keys that stay theirs."""
    if isinstance(dataset, StreamDataset):
        counts = [len(ids) for ids in dataset.utterance_ids()]
        rows = np.repeat(np.arange(len(counts)), counts)
        return rows, hash_ids(itertools.chain(*dataset.utterance_ids()))
    rows = np.arange(len(dataset))
    if hasattr(dataset, "data_ids"):
        return rows, hash_ids(dataset.data_ids)
    return rows, rows.astype(np.uint64)


def hash_ids(ids: Iterable[str]) -> NDArray[np.uint64]:
    """Shorten ids to numbers: of a million, two share one in a case of 37 million."""
    return np.fromiter(map(hash_id, ids), dtype=np.uint64)


def hash_id(name: str) -> int:
    """Shorten one id, see `hash_ids`."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
