"""The settings that make a method of test-time training."""

from dataclasses import dataclass
from typing import Literal, get_args

from lact_modules.adaptation.objective.objectives import find_objective
from lact_modules.adaptation.step.groups import check_groups
from lact_modules.adaptation.step.optimizers import find_optimizer

DEFAULT_LR = 0.1
"""Of Muon, for models that have not learned one."""

Mode = Literal["episodic", "continual", "recording"]


@dataclass(frozen=True)
class Settings:
    """What `build_adapter` builds an adapter of.

    Arguments
    ---------
    loss : str
        See `find_objective`.
    parameters : tuple[str, ...]
        Groups, see `Adaptable`.
    optimizer : str
        ``"muon"``, ``"adamw"`` or ``"sgd"``.
    lr : float | None
        Learning rate; of Muon relative to fresh fast weights. None takes the rates that
        the model has learned, or `DEFAULT_LR`.
    steps : int
        Steps an utterance, or a piece of a recording.
    mode : str
        ``"episodic"``, every utterance starts from the model; ``"continual"``, from
        where those before have led, see `SlowStart`; ``"recording"``, its pieces take
        steps in turn, then it is transcribed as a whole, see `RecordingAdapter`.
    chunk_seconds : float | None
        Pieces that longer audio is cut into.
    is_gated : bool
        Keep unadapted results where adaptation looks harmful, see `Gate`.
    frontend_repeats : int
        Times that a step moves the front end.

    Raises
    ------
    ValueError
        If a name is unknown, or a number is not above 0.

    Example
    -------
    >>> Settings(steps=1).loss
    'suta'
    """

    loss: str = "suta"
    parameters: tuple[str, ...] = ("fast_weights", "input")
    optimizer: str = "muon"
    lr: float | None = None
    steps: int = 2
    mode: Mode = "episodic"
    chunk_seconds: float | None = None
    is_gated: bool = True
    frontend_repeats: int = 1

    def __post_init__(self) -> None:
        find_objective(self.loss)
        find_optimizer(self.optimizer)
        check_groups(self.parameters)
        if self.mode not in get_args(Mode):
            raise ValueError(
                f"mode {self.mode!r}: choose from {', '.join(get_args(Mode))}"
            )
        for name in ("lr", "steps", "chunk_seconds", "frontend_repeats"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name}={value}: must be above 0")
