"""A model that trains on the pieces of a recording before it transcribes the whole."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lact_modules.adaptation.base import Adapter
from lact_modules.adaptation.gate import Gate, Traits
from lact_modules.adaptation.objective.objectives import Objective
from lact_modules.adaptation.outputs import join, soften, sum_certainty
from lact_modules.adaptation.step.learner import Learner
from lact_modules.adaptation.step.optimizers import OptimizerFactory
from lact_modules.adaptation.step.parameters import Adaptable
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.layers.chunking import Chunking

PIECE_SECONDS = 16.0
"""Default duration of a piece of a recording."""


class Recording(Protocol):
    """Samples (N,) at 16 kHz, a tensor or a file; to be read more than once."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def split(self, size: int) -> Iterable[Tensor]:
        """Return pieces of so many samples, the last perhaps shorter."""


class RecordingAdapter(Adapter):
    """Minimize a loss without transcripts on a recording, then transcribe it.

    The recording is cut into pieces, and each takes a step of parameters that they
    share, `steps` times over. The whole is transcribed with the result, and the next
    recording begins at the model's own (arXiv 2406.12937, which minimizes
    `pseudo_labels`). Beside what transcribing needs, memory holds a piece and the
    unadapted scores, which are the output if the gate refuses the adapted ones.
    """

    def __init__(
        self,
        adaptable: Adaptable,
        objective: Objective,
        optimizer: OptimizerFactory,
        steps: int = 5,
        gate: Gate | None = None,
        chunk_seconds: float = PIECE_SECONDS,
    ):
        super().__init__(adaptable, objective, optimizer, steps, gate, chunk_seconds)
        adaptable.check_own()
        self.piece_size = max(1, round(chunk_seconds * SAMPLE_RATE))
        self.chunking: Chunking | None = None

    def transcribe(self, waveforms: Sequence[Tensor]) -> Any:
        """Return the model's outputs, padded, for samples (N,) each."""

        def run(recording: Tensor) -> Any:
            batch = pad_sequence([recording, recording.new_zeros(1)], batch_first=True)
            lengths = torch.tensor([len(recording)], device=batch.device)
            return self.model(batch[:1], lengths)

        return self.transcribe_with(waveforms, run)

    def transcribe_with(
        self, recordings: Sequence[Any], run: Callable[[Any], Any]
    ) -> Any:
        """Transcribe each `Recording` by `run`, not in one pass; join the outputs."""
        return join([self._transcribe_one(recording, run) for recording in recordings])

    def begin(self) -> Learner:
        """Return the parameters of a recording, which learn from its pieces."""
        return Learner(self.adaptable, self.objective, self.optimizer, self.chunking)

    def _transcribe_one(self, recording: Recording, run: Callable[[Any], Any]) -> Any:
        self.report.utterances += 1
        with torch.no_grad():
            before = run(recording)
        traits = Traits.of(*before[:2])
        if self.gate is not None:
            is_needless = self.gate.is_needless(traits)
            if self.report.note({"confident": is_needless}):
                return before
        learner = self.begin()
        turns = [
            [learner.learn(piece, seed) for seed, piece in self._cut(recording, turn)]
            for turn in range(self.steps)
        ]
        with torch.no_grad(), learner.installed():
            after = run(recording)
        sharp = Traits.of(*after[:2])
        after = soften(after, sum_certainty(*before[:2]))
        if self.gate is None:
            return after
        # by the same masks
        losses = [learner.measure(piece, seed) for seed, piece in self._cut(recording)]
        loss_before, loss_after = (
            traits.confidence.new_tensor([sum(each)]) for each in (turns[0], losses)
        )
        found = self.gate.harms(traits, sharp, loss_before, loss_after)
        return before if self.report.note(found) else after

    def _cut(self, recording: Recording, turn: int = 0) -> Iterable[tuple[int, Tensor]]:
        """Return each piece, and a seed of what is drawn for it in this turn."""
        pieces = recording.split(self.piece_size)
        return ((self.steps * i + turn, piece) for i, piece in enumerate(pieces))
