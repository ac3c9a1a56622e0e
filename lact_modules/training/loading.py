"""What loaders of a training share: all that can be read, dealt out to processes."""

from typing import Any

from speechbrain.dataio.dataset import DynamicItemDataset
from torch.utils.data import Dataset

from lact_modules.data.rounds import RoundSampler
from lact_modules.training.batch.resuming import ResumableSampler
from lact_modules.training.batch.speech_batch import SpeechBatch
from lact_modules.training.checkpointing.stopping import leave_process_group
from lact_modules.training.dataset.dataset import read_ahead
from lact_modules.training.shard.batches import ShardBatches
from lact_modules.training.shard.loader import ShardLoader


def make_batches(
    dataset: Dataset,
    sampler: RoundSampler | None,
    rank: int,
    options: dict[str, Any],
) -> ResumableSampler | ShardLoader:
    """Make the batches of a training, whose place a checkpoint keeps.

    A `ShardLoader` is a loader, a `ResumableSampler` a ``batch_sampler`` for one.
    """
    if isinstance(dataset, ShardBatches):
        return ShardLoader(dataset, **with_speech(dataset, options))
    assert sampler is not None
    return ResumableSampler(sampler, dataset, rank)


def with_speech(dataset: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return a loader's options, with what batches of speech need.

    What a dataset keeps in memory is read before there are workers.
    """
    options = {"worker_init_fn": leave_process_group, **options}
    if isinstance(dataset, DynamicItemDataset):
        options.setdefault("collate_fn", SpeechBatch)
        if options.get("num_workers"):
            read_ahead(dataset)
    return options
