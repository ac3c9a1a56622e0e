"""Batches of utterances, of those that can be read."""

from collections.abc import Sequence
from typing import Any

import torch
from speechbrain.dataio.batch import PaddedBatch, PaddedData
from speechbrain.utils.data_utils import batch_pad_right
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.ops.padding import absolute_lengths


def pad_right(tensors: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Pad as SpeechBrain does, which divides by 0 where all are empty.

    >>> pad_right([torch.empty(0), torch.empty(0)])
    (tensor([], size=(2, 0)), tensor([0., 0.]))
    """
    if any(len(tensor) for tensor in tensors):
        return batch_pad_right(tensors)
    return torch.stack([*tensors]), torch.zeros(len(tensors))


def count_valid(padded: PaddedData) -> Tensor:
    """Count the samples or tokens (B,) of each row, int64, see `absolute_lengths`."""
    return absolute_lengths(padded.lengths, padded.data.shape[1])


class SpeechBatch(PaddedBatch):
    """SpeechBrain's batch, without the items whose audio cannot be read.

    These have an empty ``signal``; ``faults`` are the reasons, by id. If none can be
    read, a second of silence replaces all, so that a process that trains with others
    keeps step with them.
    """

    def __init__(self, items: Sequence[dict[str, Any]]):
        # names of columns do not begin so
        self._faults: dict[str, str] = {}
        examples = []
        for item in items:
            self._faults |= item.get("faults", {})
            if len(item.get("signal", "?")):
                examples.append({k: v for k, v in item.items() if k != "faults"})
        self._is_lost = not examples
        super().__init__(examples or [_silence(items[0])], padding_func=pad_right)

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong with utterances that cannot be read, by id."""
        return self._faults

    @property
    def is_lost(self) -> bool:
        """Whether none could be read."""
        return self._is_lost


def faults_of(batch: PaddedBatch) -> dict[str, str]:
    """Return the faults of unreadable utterances of any batch, by id."""
    return batch.faults if isinstance(batch, SpeechBatch) else {}


def is_lost(batch: PaddedBatch) -> bool:
    """Return whether silence replaces a batch of which nothing could be read."""
    return isinstance(batch, SpeechBatch) and batch.is_lost


def _silence(item: dict[str, Any]) -> dict[str, Any]:
    silence = {"signal": torch.zeros(SAMPLE_RATE), "tokens": item["tokens"][:0]}
    return {k: v for k, v in (item | silence | {"text": ""}).items() if k != "faults"}
