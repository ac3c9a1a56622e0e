"""A model that trains on each utterance before it transcribes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from lact_modules.adaptation.gate import Gate, Traits
from lact_modules.adaptation.objectives import Objective, Pass
from lact_modules.adaptation.optimizers import OptimizerFactory
from lact_modules.adaptation.parameters import Adaptable, Values
from lact_modules.adaptation.start import SlowStart
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.ops.padding import check_lengths

# Pieces of long audio that are adapted together.
_PIECES_AT_ONCE = 16


@dataclass
class Report:
    """What became of the utterances so far.

    Arguments
    ---------
    utterances : int
        How many were adapted; pieces, where long audio is cut.
    kept_unadapted : int
        Those of which the gate kept the unadapted result.
    reasons : dict[str, int]
        How often each reason of the gate was found; an utterance may have several.
    """

    utterances: int = 0
    kept_unadapted: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Sum up on one line."""
        found = ", ".join(f"{name} {count}" for name, count in self.reasons.items())
        return (
            f"test-time training of {self.utterances} utterances; the unadapted result "
            f"kept of {self.kept_unadapted}" + (f" ({found})" if found else "")
        )


class _Adapted(NamedTuple):
    """Some utterances after adaptation; results are unadapted where it was refused."""

    hidden: Tensor
    lengths: Tensor
    values: Values
    loss_before: Tensor
    is_refused: Tensor


class TestTimeAdapter(nn.Module):
    """Minimize a loss without transcripts on each utterance, then transcribe it.

    Called as the model is, and gives what the model gives. The model itself is left as
    it is. Without a slow start every utterance begins at the model's parameters, and
    no result depends on other utterances or on the batch. With it utterances are
    adapted in the order given, one by one.

    Arguments
    ---------
    adaptable : Adaptable
        The model and the parameters to train. Fast weights alone run in batches.
    objective : Objective
        What to minimize.
    optimizer : OptimizerFactory
        How to move; made anew for each batch.
    steps : int
        Steps an utterance.
    gate : Gate | None
        Keeps unadapted results; None keeps none.
    start : SlowStart | None
        Carries what was learned from one utterance to the next.
    chunk_seconds : float | None
        Cut longer audio into pieces of this duration, each adapted and encoded as an
        utterance of its own; None cuts nothing.

    Raises
    ------
    ValueError
        If steps or seconds are not above 0.

    Example
    -------
    >>> from lact_modules.adaptation.objectives import find_objective
    >>> from lact_modules.adaptation.optimizers import make_optimizer
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
        super().__init__()
        if steps < 1:
            raise ValueError(f"steps={steps}: must be above 0")
        if chunk_seconds is not None and chunk_seconds <= 0:
            raise ValueError(f"chunk_seconds={chunk_seconds}: must be above 0")
        self.model, self.adaptable = adaptable.model, adaptable
        self.objective, self.optimizer, self.steps = objective, optimizer, steps
        self.gate, self.start, self.chunk_seconds = gate, start, chunk_seconds
        self.report = Report()

    def forward(self, waveform: Tensor, lengths: Tensor) -> Any:
        """Transcribe a batch.

        Arguments
        ---------
        waveform : Tensor
            (B, N) float32 at 16 kHz; padding has no influence.
        lengths : Tensor
            (B,) valid samples, int64.

        Returns
        -------
        Any
            What the model gives for its input.
        """
        check_lengths(lengths)
        # also under torch.inference_mode, whose tensors take no part in gradients
        with torch.inference_mode(False), torch.enable_grad():
            waveforms = [
                # one sample at least: an empty utterance has no frame to adapt to
                row[: max(1, length)].clone()
                for row, length in zip(waveform, lengths.tolist(), strict=True)
            ]
            hidden = self._encode_all(waveforms)
            frames = torch.tensor([len(each) for each in hidden], device=lengths.device)
            frames = frames.where(lengths > 0, 0)
            with torch.no_grad():
                return self.model.outputs(
                    pad_sequence(hidden, batch_first=True), frames
                )

    def _encode_all(self, waveforms: list[Tensor]) -> list[Tensor]:
        """Give the encoded frames (T, D) of each waveform (N,)."""
        if self.chunk_seconds is None:
            return self._encode_together(waveforms)
        # a whole number of frames, so that the pieces' frames are those of the whole
        hop = round(SAMPLE_RATE / self.model.frame_rate)
        size = hop * max(1, round(self.chunk_seconds * self.model.frame_rate))
        cut = [list(waveform.split(size)) for waveform in waveforms]
        pieces = [piece for each in cut for piece in each]
        encoded = iter(
            hidden
            for first in range(0, len(pieces), _PIECES_AT_ONCE)
            for hidden in self._encode_together(pieces[first : first + _PIECES_AT_ONCE])
        )
        return [torch.cat([next(encoded) for _ in each]) for each in cut]

    def _encode_together(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        if self.start is not None:
            return [self._follow(waveform, self.start) for waveform in waveforms]
        size = len(waveforms) if self.adaptable.is_batched else 1
        batches = [waveforms[i : i + size] for i in range(0, len(waveforms), size)]
        return [
            hidden[:length]
            for adapted in map(self._adapt, batches)
            for hidden, length in zip(
                adapted.hidden, adapted.lengths.tolist(), strict=True
            )
        ]

    def _follow(self, waveform: Tensor, start: SlowStart) -> Tensor:
        """Adapt to one utterance, from where those before have led."""
        adapted = self._adapt([waveform])
        if not adapted.is_refused.any():
            ended = self.adaptable.of_one(adapted.values)
            start.follow(self.adaptable.carried, ended, adapted.loss_before.item())
        return adapted.hidden[0]

    def _adapt(self, waveforms: Sequence[Tensor]) -> _Adapted:
        """Take the steps; the parameters are those of each utterance at its end."""
        origin = self.start.point if self.start is not None else {}
        values = self.adaptable.start(len(waveforms), origin)
        optimizer = self.optimizer(values)
        run = self._runner(waveforms)
        seen = before = run(values)
        loss = loss_before = self.objective(seen)
        if origin:
            with torch.no_grad():
                before = run(self.adaptable.start(len(waveforms)))
                loss_before = self.objective(before)
        for step in range(1, self.steps + 1):
            optimizer.zero_grad()
            loss.sum().backward(inputs=list(values.values()))
            optimizer.step()
            with torch.set_grad_enabled(step < self.steps):
                seen = run(values)
                loss = self.objective(seen)
        with torch.no_grad():
            is_refused = self._judge(before, seen, loss_before, loss)
            hidden = torch.where(is_refused[:, None, None], before.hidden, seen.hidden)
        return _Adapted(hidden, seen.lengths, values, loss_before, is_refused)

    def _runner(self, waveforms: Sequence[Tensor]) -> Callable[[Values], Pass]:
        """Give what runs the utterances with parameters of their own."""
        lengths = torch.tensor([len(each) for each in waveforms]).to(
            waveforms[0].device
        )
        waveform = pad_sequence(list(waveforms), batch_first=True)
        frames = partial(self.adaptable.frames, waveform=waveform, lengths=lengths)
        if self.adaptable.reaches_frontend:
            return lambda values: self.adaptable.look(values, *frames(values))
        with torch.no_grad():
            fixed = frames({})
        return lambda values: self.adaptable.look(values, *fixed)

    def _judge(
        self, before: Pass, after: Pass, loss_before: Tensor, loss_after: Tensor
    ) -> Tensor:
        """Tell of which utterances the unadapted result is kept, (B,) bool."""
        is_refused = torch.zeros_like(before.lengths, dtype=torch.bool)
        self.report.utterances += len(is_refused)
        if self.gate is None:
            return is_refused
        reasons = self.gate.reasons(
            Traits.of(before.log_probs, before.lengths),
            Traits.of(after.log_probs, after.lengths),
            loss_before,
            loss_after,
        )
        for name, found in reasons.items():
            is_refused = is_refused | found
            count = self.report.reasons.get(name, 0) + int(found.sum())
            self.report.reasons[name] = count
        self.report.kept_unadapted += int(is_refused.sum())
        return is_refused
