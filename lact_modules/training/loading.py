"""How a Brain comes to its batches: all that can be read, dealt out to processes."""

from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataset import DynamicItemDataset
from torch import Tensor
from torch.utils.data import Dataset

from lact_modules.data.rounds import RoundSampler
from lact_modules.training.dataset import read_ahead
from lact_modules.training.optimization import OptimizingBrain
from lact_modules.training.resuming import ResumableSampler
from lact_modules.training.shard_loader import ShardLoader
from lact_modules.training.shards import ShardBatches
from lact_modules.training.speech_batch import SpeechBatch
from lact_modules.training.stopping import leave_process_group
from lact_modules.training.unreadable import UnreadableAudio


class LoadingBrain(OptimizingBrain):
    """Loaders whose place a checkpoint keeps, and that pass over unreadable audio.

    More than ``nonfinite_patience`` utterances of a set that cannot be read, and more
    than one of a hundred, end the run.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    batches: ResumableSampler | ShardLoader

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.unreadable: dict[sb.Stage, UnreadableAudio] = {}

    def make_train_loader(
        self,
        dataset: Dataset,
        sampler: RoundSampler | None,
        options: dict[str, Any],
    ) -> Any:
        """Make a loader, and `batches`, which tells where in an epoch it stands.

        Arguments
        ---------
        dataset : Dataset
            To learn from.
        sampler : RoundSampler | None
            Its batches; None if it has them.
        options : dict[str, Any]
            For the loader.

        Returns
        -------
        Any
            For `fit`.
        """
        if isinstance(dataset, ShardBatches):
            options = {**options, "worker_init_fn": leave_process_group}
            loader = self.batches = ShardLoader(dataset, **options)
            self._watch(dataset, sb.Stage.TRAIN)
        else:
            assert sampler is not None
            rank = self.rank if self.distributed_launch else 0
            self.batches = ResumableSampler(sampler, dataset, rank)
            options = {**options, "batch_sampler": self.batches}
            loader = self.make_dataloader(dataset, sb.Stage.TRAIN, None, **options)
        # older checkpoints have none
        self.checkpointer.add_recoverable("batches", self.batches, optional_load=True)
        return loader

    def make_dataloader(
        self,
        dataset: Any,
        stage: sb.Stage,
        ckpt_prefix: str | None = None,
        **options: Any,
    ) -> Any:
        """Make a loader of a set; what it keeps in memory is read before workers are.

        Arguments
        ---------
        dataset : Any
            The set.
        stage : sb.Stage
            What for.
        ckpt_prefix : str | None
            SpeechBrain's, to save loaders.
        **options : Any
            For the loader.

        Returns
        -------
        Any
            SpeechBrain's.
        """
        if isinstance(dataset, DynamicItemDataset):
            options.setdefault("collate_fn", SpeechBatch)
            if options.get("num_workers"):
                read_ahead(dataset)
        self._watch(dataset, stage)
        options.setdefault("worker_init_fn", leave_process_group)
        return super().make_dataloader(dataset, stage, ckpt_prefix, **options)

    def _watch(self, dataset: Any, stage: sb.Stage) -> None:
        count = getattr(dataset, "num_utterances", None) or len(dataset)
        self.unreadable[stage] = UnreadableAudio(count, self.nonfinite_patience)

    def _train_loader_specifics(
        self, dataset: Any, loader_kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        # batches are dealt out to ranks already
        return loader_kwargs

    def note_faults(self, batch: PaddedBatch, stage: sb.Stage) -> None:
        """Name what could not be read for a batch.

        Arguments
        ---------
        batch : PaddedBatch
            Any; `SpeechBatch` tells of faults.
        stage : sb.Stage
            Whose set it is of.

        Raises
        ------
        InputError
            If it is too much of the set.
        """
        if isinstance(batch, SpeechBatch):
            self.unreadable[stage].note(batch.faults)

    @torch.no_grad()
    def evaluate_batch(self, batch: PaddedBatch, stage: sb.Stage) -> Tensor:
        """Run one batch forward, and see what comes out.

        Arguments
        ---------
        batch : PaddedBatch
            For validation or testing.
        stage : sb.Stage
            Which of both.

        Returns
        -------
        Tensor
            Its loss; NaN, which no average counts, if it could not be read.
        """
        self.note_faults(batch, stage)
        if isinstance(batch, SpeechBatch) and batch.is_lost:
            return torch.tensor(torch.nan)
        with self.evaluation_ctx:
            outputs = self.compute_forward(batch, stage)
            loss = self.compute_objectives(outputs, batch, stage)
            self.observe(outputs, batch, stage)
        return loss.detach().cpu()

    def observe(self, outputs: Any, batch: PaddedBatch, stage: sb.Stage) -> None:
        """Collect what a validation or a test is about."""
