"""Long-form fine-tuning: the last epochs, on long recordings at a lower rate."""

from collections.abc import Sequence
from typing import NamedTuple

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError
from lact_modules.training.dataset.streams import (
    RANDOM,
    READING,
    StreamPlan,
    join_utterances,
)
from lact_modules.training.schedules import Schedule, warmup_cosine

# of the stage's steps; the optimizer's averages are of other batches at first
_WARMUP = 0.1


class LongFormFinetuning(NamedTuple):
    """The last epochs of a training, on joined utterances.

    A recording has ``seconds`` at most; ``order`` is one of `streams.ORDERS`;
    ``lr_scale`` is a factor of the peak learning rate.
    """

    epochs: int
    num_epochs: int
    seconds: float
    order: str
    lr_scale: float

    @classmethod
    def of(
        cls,
        num_epochs: int,
        seconds: float | None = None,
        epochs: int = 1,
        order: str = READING,
        lr_scale: float = 1.0,
    ) -> "LongFormFinetuning | None":
        """Make it, if recordings have a length; epochs must be left before it."""
        if seconds is None:
            return None
        check_epochs(epochs, num_epochs)
        return cls(epochs, num_epochs, seconds, order, lr_scale)

    @property
    def first_epoch(self) -> int:
        """The first one of the stage, from 1."""
        return self.num_epochs - self.epochs + 1

    def schedule(self, before: Schedule) -> Schedule:
        """Return the learning rates of both: the schedule before runs to its end.

        Then they rise to `lr_scale`, in a tenth of the stage, and fall along half a
        cosine.

        >>> last = LongFormFinetuning(1, 10, 120.0, order="reading", lr_scale=0.3)
        >>> schedule = last.schedule(lambda step, total_steps: 1 - step / total_steps)
        >>> [round(schedule(step, 1000), 2) for step in (0, 450, 899, 910, 999)]
        [1.0, 0.5, 0.0, 0.3, 0.0]
        """

        def factor(step: float, total_steps: int) -> float:
            steps_before = total_steps * (self.first_epoch - 1) / self.num_epochs
            if step < steps_before:
                return before(step, round(steps_before))
            steps = round(total_steps - steps_before)
            warmup = round(_WARMUP * steps)
            return self.lr_scale * warmup_cosine(step - steps_before, steps, warmup)

        return factor

    def plan(
        self, utterances: Sequence[Utterance], gap: float, seed: int
    ) -> StreamPlan:
        """Join utterances to recordings, with ``gap`` seconds between two."""
        try:
            streams = join_utterances(
                utterances, self.order, None, self.seconds, gap, seed
            )
        except InputError as error:
            raise InputError(
                f"--long_form_finetune_order {self.order}: {error}"
            ) from error
        return StreamPlan(streams, self.first_epoch, self.order == RANDOM)


def check_epochs(epochs: int, num_epochs: int) -> None:
    """Refuse fine-tuning without an epoch before it."""
    if epochs >= num_epochs:
        raise InputError(
            f"--long_form_finetune_epochs {epochs}: of {num_epochs} epochs; set "
            "fewer, or to train on nothing but long recordings, long_form_seconds"
        )
