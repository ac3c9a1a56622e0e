"""What an optimizer step takes, cut into batches that memory holds."""

import logging
import math
from collections.abc import Sequence
from typing import NamedTuple

from speechbrain.dataio.batch import PaddedBatch, PaddedData
from torch import OutOfMemoryError

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.token_batches import cut_batches
from lact_modules.errors import InputError
from lact_modules.training.batch.speech_batch import count_valid, pad_right

logger = logging.getLogger(__name__)


class BatchLimits(NamedTuple):
    """Keys of a recipe that limit the utterances and seconds of a batch.

    ``target_effective_batch`` are the utterances of a step; None: as memory allows.
    """

    seed: int
    max_batch_length: float = math.inf
    max_batch_size: int | None = None
    target_effective_batch: int | None = None


class MicroBatches:
    """Cut a rank's share of a step into batches that go through the model at once.

    Limits are ``max_size`` utterances and ``max_seconds`` of audio, padding included.
    """

    def __init__(self, share: int, max_size: int | None, max_seconds: float):
        self.share = share
        self.limits = min(max_size or share, share), max_seconds
        self.num_halvings = 0

    @property
    def max_size(self) -> int:
        """Utterances in a batch, as often halved as memory ran out."""
        return max(self.limits[0] >> self.num_halvings, 1)

    @property
    def max_seconds(self) -> float:
        """Audio in a batch, as often halved."""
        return self.limits[1] / 2**self.num_halvings

    def cut(self, batch: PaddedBatch) -> list[PaddedBatch]:
        """Cut a batch, longest first, to parts within the limits or one utterance."""
        lengths = count_valid(batch.signal).numpy()
        parts = [
            piece[start : start + self.max_size]
            for piece in cut_batches(lengths, int(self.max_seconds * SAMPLE_RATE))
            for start in range(0, len(piece), self.max_size)
        ]
        # what needs most memory comes first
        return [take(batch, part.tolist()) for part in reversed(parts)]

    def halve(self) -> None:
        """Take half as many at once from now on; InputError if it is one already."""
        if self.max_size == 1:
            raise InputError(
                "out of memory with one utterance at once; lower max_train_duration "
                "or take a smaller model"
            )
        self.num_halvings += 1
        logger.warning("out of memory, half as much at once: %s", self)

    def __str__(self) -> str:
        accumulation = math.ceil(self.share / self.max_size)
        return (
            f"{self.share} utterances a step = {self.max_size} at once x "
            f"{accumulation} accumulated, or more where {self.max_size} are longer "
            f"than {self.max_seconds:g} s"
        )


def take(batch: PaddedBatch, rows: Sequence[int]) -> PaddedBatch:
    """Make a batch of some rows of another one, without needless padding."""
    examples: list[dict[str, object]] = [{} for _ in rows]
    for key, values in vars(batch).items():
        if key.startswith("_"):
            continue
        if isinstance(values, PaddedData):
            lengths = count_valid(values).tolist()
            values = [row[:n] for row, n in zip(values.data, lengths, strict=True)]
        for example, row in zip(examples, rows, strict=True):
            example[key] = values[row]
    return PaddedBatch(examples, padding_func=pad_right)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether a device ran out of memory."""
    return isinstance(error, OutOfMemoryError) or "out of memory" in str(error)
