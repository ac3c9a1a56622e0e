"""What became of utterances that were adapted to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


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

    def note(self, found: Mapping[str, Tensor]) -> Tensor:
        """Count utterances kept unadapted, by (B,) marks; return any mark of each."""
        for name, utterances in found.items():
            self.reasons[name] = self.reasons.get(name, 0) + int(utterances.sum())
        is_kept = torch.stack([*found.values()]).any(dim=0)
        self.kept_unadapted += int(is_kept.sum())
        return is_kept

    def __str__(self) -> str:
        """Sum up on one line."""
        found = ", ".join(f"{name} {count}" for name, count in self.reasons.items())
        return (
            f"test-time training of {self.utterances} utterances; the unadapted result "
            f"kept of {self.kept_unadapted}" + (f" ({found})" if found else "")
        )
