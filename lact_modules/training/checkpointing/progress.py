"""The progress of an epoch, whatever its steps are."""

from typing import Any


class EpochProgress:
    """The share of an epoch that is done, counted in optimizer steps.

    A run that is resumed with as many steps to go counts on; with more or fewer, as
    after a change of batch size, these share what of the epoch is left.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.share_before, self.steps_done, self.num_steps = 0.0, 0, 0
        self._is_resumed = False

    def begin(self, num_steps: int) -> None:
        """Begin an epoch, or continue with one that was loaded."""
        if not self._is_resumed:
            self._forget()
            self.num_steps = num_steps
        elif num_steps != self.num_steps - self.steps_done:
            self.share_before = self.share
            self.steps_done, self.num_steps = 0, num_steps
        self._is_resumed = False

    def advance(self) -> None:
        """Count an optimizer step."""
        self.steps_done += 1

    @property
    def share(self) -> float:
        """Of the epoch, done so far."""
        return self.position(epoch=1, steps_per_epoch=1)

    def position(self, epoch: int, steps_per_epoch: int) -> float:
        """Return the place in the training, in steps of an epoch without changes."""
        before = (epoch - 1 + self.share_before) * steps_per_epoch
        rest = (1 - self.share_before) * steps_per_epoch
        # the product first: whole numbers stay whole
        done = rest * self.steps_done / self.num_steps if self.num_steps else rest
        return before + done

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "share_before": self.share_before,
            "steps_done": self.steps_done,
            "num_steps": self.num_steps,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue within an epoch from what a checkpoint has kept."""
        self.share_before = state["share_before"]
        self.steps_done, self.num_steps = state["steps_done"], state["num_steps"]
        self._is_resumed = True
