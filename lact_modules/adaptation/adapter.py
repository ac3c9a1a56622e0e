"""A model that trains on each utterance before it transcribes it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lact_modules.adaptation.base import Adapter
from lact_modules.adaptation.gate import Gate, Traits
from lact_modules.adaptation.objective.objectives import FrontendOutput, Objective, Pass
from lact_modules.adaptation.outputs import soften, sum_certainty
from lact_modules.adaptation.step.optimizers import OptimizerFactory
from lact_modules.adaptation.step.parameters import Adaptable, Values
from lact_modules.adaptation.step.start import SlowStart
from lact_modules.adaptation.step.steps import Run, Steps
from lact_modules.data.audio import SAMPLE_RATE

# Pieces of long audio that are adapted together.
_PIECES_AT_ONCE = 16
# Share of the longest that the shortest has of those adapted together.
_LIKE = 0.75


class _Encoded(NamedTuple):
    """An utterance's frames (T, D), and how certain the unadapted result was, ()."""

    hidden: Tensor
    certainty: Tensor

    @classmethod
    def join(cls, pieces: Sequence["_Encoded"]) -> "_Encoded":
        """Make one of the pieces of an utterance."""
        hidden, certainty = zip(*pieces, strict=True)
        return cls(torch.cat(hidden), torch.stack(certainty).sum())


class _Adapted(NamedTuple):
    """Some utterances after adaptation; results are unadapted where it was refused."""

    hidden: Tensor
    lengths: Tensor
    # of the unadapted result, see `sum_certainty`
    certainty: Tensor
    values: Values
    loss_before: Tensor
    is_refused: Tensor

    @property
    def encoded(self) -> list[_Encoded]:
        """Return each utterance without padding."""
        rows = zip(self.hidden, self.lengths.tolist(), self.certainty, strict=True)
        return [_Encoded(hidden[:length], sure) for hidden, length, sure in rows]


class TestTimeAdapter(Adapter):
    """Minimize a loss without transcripts on each utterance, then transcribe it.

    It is called as the model is, and returns the same kind of outputs; the model itself
    does not change. Without a slow start every utterance begins at the model's
    parameters, and no result depends on other utterances or on the batch. With it,
    utterances are adapted in the order given, one by one.

    Arguments
    ---------
    adaptable : Adaptable
        Fast weights alone run in batches.
    objective : Objective
        What to minimize.
    optimizer : OptimizerFactory
        How to move; made anew for each batch.
    steps : int
        Steps an utterance.
    gate : Gate | None
        Keeps unadapted results.
    start : SlowStart | None
        Carries what was learned from one utterance to the next.
    chunk_seconds : float | None
        Longer audio is cut into pieces, each adapted and encoded as an utterance.

    Raises
    ------
    ValueError
        If steps or seconds are not above 0.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.adaptation.objective.objectives import find_objective
    >>> from lact_modules.adaptation.step.optimizers import make_optimizer
    >>> from lact_modules.encoders import CTCModel, Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> model = CTCModel(MelFrontend(8), Encoder(8, 1, mixer, ffn), num_tokens=5)
    >>> adapter = TestTimeAdapter(
    ...     Adaptable(model.eval(), ["fast_weights"]),
    ...     find_objective("suta"),
    ...     make_optimizer("muon", lr=0.1),
    ... )
    >>> log_probs, lengths = adapter(torch.randn(2, 8000), torch.tensor([8000, 4000]))
    >>> log_probs.shape, lengths, adapter.report.utterances
    (torch.Size([2, 13, 5]), tensor([13, 7]), 2)
    """

    # not a test, whatever pytest makes of the name
    __test__ = False

    def __init__(
        self,
        adaptable: Adaptable,
        objective: Objective,
        optimizer: OptimizerFactory,
        steps: int = 2,
        gate: Gate | None = None,
        start: SlowStart | None = None,
        chunk_seconds: float | None = None,
    ):
        super().__init__(adaptable, objective, optimizer, steps, gate, chunk_seconds)
        self.start, self.chunk_seconds = start, chunk_seconds

    def transcribe(self, waveforms: Sequence[Tensor]) -> Any:
        """Return the model's outputs, padded, for samples (N,) each."""
        # also under torch.inference_mode, whose tensors take no part in gradients
        with torch.inference_mode(False), torch.enable_grad():
            # one sample at least: an empty utterance has no frame to adapt to
            filled = [
                each.clone() if len(each) else each.new_zeros(1) for each in waveforms
            ]
            hidden, certainty = zip(*self._encode_all(filled), strict=True)
            pairs = zip(hidden, waveforms, strict=True)
            frames = torch.tensor([len(h) if len(w) else 0 for h, w in pairs])
            frames = frames.to(hidden[0].device)
            with torch.no_grad():
                padded = pad_sequence(list(hidden), batch_first=True)
                outputs = self.model.outputs(padded, frames)
                return soften(outputs, torch.stack(certainty))

    def _encode_all(self, waveforms: list[Tensor]) -> list[_Encoded]:
        """Encode each waveform (N,)."""
        if self.chunk_seconds is None:
            return self._encode_together(waveforms)
        # a whole number of frames, so that the pieces' frames are those of the whole
        hop = round(SAMPLE_RATE / self.model.frame_rate)
        size = hop * max(1, round(self.chunk_seconds * self.model.frame_rate))
        cut = [list(waveform.split(size)) for waveform in waveforms]
        pieces = [piece for each in cut for piece in each]
        encoded = iter(
            each
            for first in range(0, len(pieces), _PIECES_AT_ONCE)
            for each in self._encode_together(pieces[first : first + _PIECES_AT_ONCE])
        )
        return [_Encoded.join([next(encoded) for _ in each]) for each in cut]

    def _encode_together(self, waveforms: Sequence[Tensor]) -> list[_Encoded]:
        if self.start is not None:
            return [self._follow(waveform, self.start) for waveform in waveforms]
        size = len(waveforms) if self.adaptable.is_batched else 1
        encoded: dict[int, _Encoded] = {}
        for rows in _alike(list(map(len, waveforms)), size):
            adapted = self._adapt([waveforms[row] for row in rows])
            encoded.update(zip(rows, adapted.encoded, strict=True))
        return [encoded[row] for row in range(len(waveforms))]

    def _follow(self, waveform: Tensor, start: SlowStart) -> _Encoded:
        """Adapt to one utterance, from where those before have led."""
        adapted = self._adapt([waveform])
        if not adapted.is_refused.any():
            ended = self.adaptable.of_one(adapted.values)
            start.follow(self.adaptable.carried, ended, adapted.loss_before.item())
        return adapted.encoded[0]

    def _adapt(self, waveforms: Sequence[Tensor]) -> _Adapted:
        """Take the steps of those that may gain by them."""
        origin = self.start.point if self.start is not None else {}
        run = self._runner(waveforms)
        values = self.adaptable.start(len(waveforms), origin)
        before = seen = run(values)
        if origin:
            with torch.no_grad():
                before = run(self.adaptable.start(len(waveforms)))
        outputs = before.log_probs.detach(), before.lengths
        traits = Traits.of(*outputs)
        rows = self._find_promising(traits)
        hidden = before.hidden.detach().clone()
        losses = hidden.new_zeros(len(waveforms))
        is_refused = torch.ones_like(before.lengths, dtype=torch.bool)
        if len(rows):
            parts = self.adaptable, self.objective, self.optimizer, self.steps
            steps = Steps(*parts, self.gate.is_enough if self.gate else None)
            trained = steps.take(run, values, seen, rows)
            values, loss_before = dict(trained.values), trained.loss_before
            with torch.no_grad():
                losses[rows] = self.objective(before) if origin else loss_before
            is_fine = ~self._find_harm(
                Traits(*(trait[rows] for trait in traits)),
                trained.traits,
                losses[rows],
                trained.loss_after,
            )
            hidden[rows[is_fine]] = trained.hidden[is_fine]
            is_refused[rows[is_fine]] = False
        certainty = sum_certainty(*outputs)
        return _Adapted(hidden, outputs[1], certainty, values, losses, is_refused)

    def _runner(self, waveforms: Sequence[Tensor]) -> Run:
        """Return what runs the utterances; what nothing adapted reaches runs once."""
        lengths = torch.tensor([len(each) for each in waveforms]).to(
            waveforms[0].device
        )
        waveform = pad_sequence(list(waveforms), batch_first=True)
        fixed: FrontendOutput | None = None
        if not self.adaptable.reaches_frontend:
            with torch.no_grad():
                fixed = self.adaptable.extract({}, waveform, lengths)

        def run(values: Values, rows: Tensor | None = None) -> Pass:
            inputs = fixed or self.adaptable.extract(values, waveform, lengths)
            if rows is not None and len(rows) < len(waveforms):
                inputs = inputs.of_rows(rows)
            return self.adaptable.look(values, inputs)

        return run

    def _find_promising(self, before: Traits) -> Tensor:
        """Return the rows (b,) of the utterances that may gain by adaptation."""
        self.report.utterances += len(before.confidence)
        is_needless = torch.zeros_like(before.confidence, dtype=torch.bool)
        if self.gate is not None:
            is_needless = self.gate.is_needless(before)
            self.report.note({"confident": is_needless})
        return (~is_needless).nonzero()[:, 0]

    def _find_harm(
        self, before: Traits, after: Traits, loss_before: Tensor, loss_after: Tensor
    ) -> Tensor:
        """Mark the utterances whose unadapted result is kept, (b,) bool."""
        if self.gate is None:
            return torch.zeros_like(loss_after, dtype=torch.bool)
        reasons = self.gate.harms(before, after, loss_before, loss_after)
        return self.report.note(reasons)


def _alike(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Group rows of like length, `size` at most: padding takes as long as speech."""
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if (
            not groups
            or len(groups[-1]) == size
            or lengths[groups[-1][0]] < _LIKE * lengths[row]
        ):
            groups.append([])
        groups[-1].append(row)
    return groups
