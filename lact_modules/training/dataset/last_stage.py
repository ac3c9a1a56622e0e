"""The last stage of a training: long recordings, at a lower learning rate."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError
from lact_modules.training.dataset.streams import RANDOM, StreamPlan, join_utterances
from lact_modules.training.schedules import warmup_cosine

Schedule = Callable[[float, int], float]
"""Factor of the peak learning rate, by the steps that are done and those of all."""

# of the stage's steps; the optimizer's averages are of other batches at first
_WARMUP = 0.1


class LastStage(NamedTuple):
    """The last epochs of a training.

    Arguments
    ---------
    epochs : int
        How many.
    num_epochs : int
        Of the whole training.
    seconds : float
        Longest recording that utterances are joined to.
    order : str
        Of the utterances, one of `streams.ORDERS`.
    lr_scale : float
        Factor of the peak learning rate.

    Example
    -------
    >>> stage = LastStage(1, 10, seconds=120.0, order="reading", lr_scale=0.3)
    >>> stage.first_epoch
    10
    """

    epochs: int
    num_epochs: int
    seconds: float
    order: str
    lr_scale: float

    @classmethod
    def of(cls, hparams: Mapping[str, Any]) -> "LastStage | None":
        """Read what a recipe says of it.

        Arguments
        ---------
        hparams : Mapping[str, Any]
            ``last_stage_seconds``, None if there is no such stage, or
            ``last_stage_epochs``, ``last_stage_order``, ``last_stage_lr_scale`` and
            ``epoch_counter`` too.

        Returns
        -------
        LastStage | None
            None if there is none.

        Raises
        ------
        InputError
            If no epoch is left before it.
        """
        if hparams.get("last_stage_seconds") is None:
            return None
        epochs = hparams["last_stage_epochs"]
        num_epochs = hparams["epoch_counter"].limit
        check_epochs(epochs, num_epochs)
        return cls(
            epochs,
            num_epochs,
            hparams["last_stage_seconds"],
            hparams["last_stage_order"],
            hparams["last_stage_lr_scale"],
        )

    @property
    def first_epoch(self) -> int:
        """The first one of the stage, from 1."""
        return self.num_epochs - self.epochs + 1

    def schedule(self, before: Schedule) -> Schedule:
        """Return the learning rates of both: those before come to their end.

        Arguments
        ---------
        before : Schedule
            Of the epochs before, as if there were no others.

        Returns
        -------
        Schedule
            Which then rises to `lr_scale`, in a tenth of the stage, and falls along
            half a cosine.

        Example
        -------
        >>> stage = LastStage(1, 10, seconds=120.0, order="reading", lr_scale=0.3)
        >>> schedule = stage.schedule(lambda step, total_steps: 1 - step / total_steps)
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
        """Join utterances to recordings.

        Arguments
        ---------
        utterances : Sequence[Utterance]
            In any order.
        gap : float
            Seconds between two.
        seed : int
            Of the order, if it is random.

        Returns
        -------
        StreamPlan
            Of the stage.

        Raises
        ------
        InputError
            If the order, or a speaker, is unknown.
        """
        try:
            streams = join_utterances(
                utterances, self.order, None, self.seconds, gap, seed
            )
        except InputError as error:
            raise InputError(f"--last_stage_order {self.order}: {error}") from error
        return StreamPlan(streams, self.first_epoch, self.order == RANDOM)


def check_epochs(epochs: int, num_epochs: int) -> None:
    """Refuse a last stage that no other epoch comes before."""
    if epochs >= num_epochs:
        raise InputError(
            f"--last_stage_epochs {epochs}: of {num_epochs} epochs; set fewer, or "
            "to train on nothing but long recordings, stream_seconds"
        )
