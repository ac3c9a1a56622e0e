"""What takes the place of a model and adapts it to its input."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from lact_modules.adaptation.gate import Gate
from lact_modules.adaptation.objective.objectives import Objective
from lact_modules.adaptation.report import Report
from lact_modules.adaptation.step.optimizers import OptimizerFactory
from lact_modules.adaptation.step.parameters import Adaptable
from lact_modules.ops.padding import check_lengths


class Adapter(nn.Module):
    """Called as a model is; gives what the model gives, after adaptation."""

    def __init__(
        self,
        adaptable: Adaptable,
        objective: Objective,
        optimizer: OptimizerFactory,
        steps: int,
        gate: Gate | None,
        chunk_seconds: float | None,
    ):
        super().__init__()
        if steps < 1:
            raise ValueError(f"steps={steps}: must be above 0")
        if chunk_seconds is not None and chunk_seconds <= 0:
            raise ValueError(f"chunk_seconds={chunk_seconds}: must be above 0")
        self.model, self.adaptable = adaptable.model, adaptable
        self.objective, self.optimizer = objective, optimizer
        self.steps, self.gate = steps, gate
        self.report = Report()

    def forward(self, waveform: Tensor, lengths: Tensor) -> Any:
        """Transcribe (B, N) samples at 16 kHz, (B,) of them valid."""
        check_lengths(lengths)
        rows = zip(waveform, lengths.tolist(), strict=True)
        return self.transcribe([row[:length] for row, length in rows])

    @abstractmethod
    def transcribe(self, waveforms: Sequence[Tensor]) -> Any:
        """Return the model's outputs, padded, for samples (N,) each."""
