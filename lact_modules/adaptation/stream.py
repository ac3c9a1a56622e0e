"""A model that adapts to a stream while it transcribes it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

import torch
from torch import Tensor

from lact_modules.adaptation.gate import CleanStatistics
from lact_modules.adaptation.methods import build_adapter
from lact_modules.adaptation.recording import RecordingAdapter
from lact_modules.encoders.ctc_model import CTCModel
from lact_modules.errors import InputError
from lact_modules.layers.chunking import Chunking


class StreamLearner:
    """Parameters that learn from the past of a stream, for the audio that follows.

    Samples are gathered until they fill a piece; it takes its steps, and the audio
    after it is transcribed with the new parameters. The adapter's gate may prevent a
    step or take it back. The carried state is the parameters, the optimizer's state,
    and less than a piece of samples, however long the stream.
    """

    def __init__(self, adapter: RecordingAdapter):
        self.adapter, self.learner = adapter, adapter.begin()
        self.waiting, self._seeds = torch.zeros(0), count()

    def blocks(self, samples: Tensor, size: int) -> Iterator[Tensor]:
        """Learn from samples (N,) at 16 kHz after each of the blocks to transcribe.

        A block is shorter than `size` where a piece is full, so that the text does not
        depend on how the stream is cut into samples.
        """
        while len(samples):
            room = self.adapter.piece_size - len(self.waiting)
            block, samples = samples[: min(size, room)], samples[min(size, room) :]
            yield block
            self.waiting = torch.cat([self.waiting.to(block.device), block])
            if len(self.waiting) == self.adapter.piece_size:
                self._learn(self.waiting)
                self.waiting = self.waiting[:0]

    def installed(self) -> AbstractContextManager[None]:
        """Install what has been learned so far in the model, for a while."""
        return self.learner.installed()

    def _learn(self, piece: Tensor) -> None:
        report, gate = self.adapter.report, self.adapter.gate
        report.utterances += 1
        for _ in range(self.adapter.steps):
            seed = next(self._seeds)
            if gate is None:
                self.learner.learn(piece, seed)
            elif report.note(self.learner.learn_safely(piece, seed, gate)):
                break


def build_stream_adapter(
    model: CTCModel,
    statistics: CleanStatistics | None,
    chunking: Chunking,
    options: dict[str, Any] | None,
) -> RecordingAdapter | None:
    """Make what learns from pieces of a stream, by one step unless `options` differ.

    Raises InputError if the method learns from whole utterances.
    """
    if options is None:
        return None
    adapter = build_adapter(model, statistics=statistics, **{"steps": 1, **options})
    if not isinstance(adapter, RecordingAdapter):
        raise InputError(
            "stream: only --ttt self-train and noisy-student adapt to earlier audio, "
            "others to whole utterances before they are transcribed; omit --ttt"
        )
    adapter.chunking = chunking
    return adapter
