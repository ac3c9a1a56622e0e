"""Parameters that learn from the pieces of a recording."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor

from lact_modules.adaptation.gate import Gate, Traits
from lact_modules.adaptation.objective.objectives import Objective, Pass
from lact_modules.adaptation.step.optimizers import OptimizerFactory
from lact_modules.adaptation.step.parameters import Adaptable
from lact_modules.layers.chunking import Chunking


class Learner:
    """A copy of a model's parameters, and steps that it takes on pieces of audio.

    `chunking` is how the encoder divides a piece; None: not at all.
    """

    def __init__(
        self,
        adaptable: Adaptable,
        objective: Objective,
        optimizer: OptimizerFactory,
        chunking: Chunking | None = None,
    ):
        self.adaptable, self.objective = adaptable, objective
        self.chunking = chunking
        # also under torch.inference_mode, whose tensors take no part in gradients
        with torch.inference_mode(False):
            self.values = adaptable.start(None)
            self.optimizer = optimizer(self.values)

    def learn(self, piece: Tensor, seed: int) -> float:
        """Take a step on samples (N,) at 16 kHz, if any; return the loss before it."""
        if not len(piece):
            return 0.0
        with torch.inference_mode(False), torch.enable_grad():
            loss = self.objective(self.look(piece, seed)).sum()
            self._step(loss)
        return loss.item()

    def measure(self, piece: Tensor, seed: int) -> float:
        """Return the loss of a piece; see `learn`, without a step."""
        if not len(piece):
            return 0.0
        with torch.inference_mode(False), torch.no_grad():
            return self.objective(self.look(piece, seed)).sum().item()

    def learn_safely(self, piece: Tensor, seed: int, gate: Gate) -> dict[str, Tensor]:
        """Take a step, and go back if it does harm; take none if it is needless.

        Returns (1,) bool by reason to leave the parameters as they were.
        """
        with torch.inference_mode(False), torch.enable_grad():
            seen = self.look(piece, seed)
            before = Traits.of(seen.log_probs.detach(), seen.lengths)
            found = {"confident": gate.is_needless(before)}
            if found["confident"]:
                return found
            loss = self.objective(seen)
            saved = {
                name: value.detach().clone() for name, value in self.values.items()
            }
            self._step(loss.sum())
            with torch.no_grad():
                seen = self.look(piece, seed)
                after = Traits.of(seen.log_probs, seen.lengths)
                found |= gate.harms(before, after, loss.detach(), self.objective(seen))
                if any(found.values()):
                    for name, value in self.values.items():
                        value.copy_(saved[name])
        return found

    def look(self, piece: Tensor, seed: int) -> Pass:
        """Run the model on samples (N,), with these parameters."""
        model = self.adaptable.model
        waveform = piece.clone()[None].to(model.output.weight.device)
        lengths = torch.tensor([len(piece)], device=waveform.device)
        with _divided(model.encoder, self.chunking):
            inputs = self.adaptable.extract(self.values, waveform, lengths)
            return self.adaptable.look(self.values, inputs, seed)

    def installed(self) -> AbstractContextManager[None]:
        """Install these parameters in the model, see `Adaptable.installed`."""
        return self.adaptable.installed(self.values)

    def _step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward(inputs=list(self.values.values()))
        self.optimizer.step()


@contextmanager
def _divided(encoder: Any, chunking: Chunking | None) -> Iterator[None]:
    """Let an encoder run in chunks for a while."""
    if chunking is None:
        yield
        return
    before, encoder.chunking = encoder.chunking, chunking
    try:
        yield
    finally:
        encoder.chunking = before
