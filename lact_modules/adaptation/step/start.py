"""Where an utterance's adaptation starts: from the model, or from what came before."""

from collections.abc import Mapping
from statistics import fmean, stdev

from torch import Tensor

# Losses by which a shift is detected.
_WINDOW = 5


class SlowStart:
    """A start point that follows the adapted parameters slowly, until speech changes.

    After each utterance the point moves by `rate` of the way to where that utterance
    ended, so what several have in common remains (DSUTA, arXiv 2406.11064, calls it
    slow and fast adaptation). When the mean loss of the last utterances leaves what
    was usual before by more than `threshold` standard errors, the condition is taken
    to have changed, and the point goes back to the model.
    """

    def __init__(self, rate: float = 0.3, threshold: float = 4.0):
        self.rate, self.threshold = rate, threshold
        self.num_resets = 0
        self.reset()

    def reset(self) -> None:
        """Go back to the model."""
        self.point: dict[str, Tensor] = {}
        self.losses: list[float] = []

    def follow(
        self, model: Mapping[str, Tensor], adapted: Mapping[str, Tensor], loss: float
    ) -> None:
        """Take note of where an utterance ended; `loss` is the model's own on it."""
        self.losses.append(loss)
        if self._has_shifted():
            self.reset()
            self.num_resets += 1
            return
        for name, own in model.items():
            here = self.point.get(name, own.detach())
            self.point[name] = here.lerp(adapted[name].detach(), self.rate)

    def _has_shifted(self) -> bool:
        usual, recent = self.losses[:-_WINDOW], self.losses[-_WINDOW:]
        if len(usual) < _WINDOW:
            return False
        error = stdev(usual) * (1 / len(usual) + 1 / len(recent)) ** 0.5
        return abs(fmean(recent) - fmean(usual)) > self.threshold * error
