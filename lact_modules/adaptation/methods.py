"""Test-time training by the name of a method, and options that differ from it."""

from dataclasses import replace
from typing import Any

from lact_modules.adaptation.adapter import TestTimeAdapter
from lact_modules.adaptation.base import Adapter
from lact_modules.adaptation.baselines import (
    NOISY_STUDENT,
    SUTA,
    SUTA_FAITHFUL,
    TENT,
)
from lact_modules.adaptation.gate import CleanStatistics, Gate
from lact_modules.adaptation.objective.objectives import find_objective
from lact_modules.adaptation.recording import PIECE_SECONDS, RecordingAdapter
from lact_modules.adaptation.settings import DEFAULT_LR, Settings
from lact_modules.adaptation.step.optimizers import OptimizerFactory, make_optimizer
from lact_modules.adaptation.step.parameters import Adaptable
from lact_modules.adaptation.step.start import SlowStart
from lact_modules.encoders.ctc_model import CTCModel
from lact_modules.errors import InputError

METHODS = {
    "lact": Settings(),
    "suta": SUTA,
    "suta-faithful": SUTA_FAITHFUL,
    "tent": TENT,
    "self-train": replace(NOISY_STUDENT, loss="suta"),
    "noisy-student": NOISY_STUDENT,
}
"""``lact`` is ours: two steps of Muon on initial fast weights and the input. So is
``self-train``: noisy-student training with SUTA's loss in the place of hypotheses as
labels, which are wrong where a recording is noisy."""


def build_adapter(
    model: CTCModel,
    method: str = "lact",
    statistics: CleanStatistics | None = None,
    **options: Any,
) -> Adapter:
    """Build what trains a model at test time.

    Arguments
    ---------
    model : CTCModel
        In evaluation mode.
    method : str
        Of `METHODS`.
    statistics : CleanStatistics | None
        Of the model, for the gate.
    **options : Any
        Fields of `Settings` in the place of the method's own.

    Returns
    -------
    Adapter
        Called as the model is.

    Raises
    ------
    InputError
        If a name or number is none that there is, or the model cannot be adapted so.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.encoders import Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> model = CTCModel(MelFrontend(8), Encoder(8, 1, mixer, ffn), num_tokens=5)
    >>> build_adapter(model, "lact", steps=1).steps
    1
    """
    if method not in METHODS:
        raise InputError(f"ttt {method!r}: choose from {', '.join(METHODS)}")
    try:
        settings = replace(METHODS[method], **options)
        adaptable = Adaptable(model, settings.parameters)
        optimizer = make_optimizer(
            settings.optimizer,
            settings.lr or DEFAULT_LR,
            settings.frontend_repeats,
            rates=adaptable.learned_rates if settings.lr is None else {},
        )
        # so that one which does not fit is found before the first utterance
        optimizer(adaptable.start(1))
        if "masked_prediction" in settings.loss and model.masked_predictor is None:
            raise ValueError(
                "loss masked_prediction: the model was trained without enable_ttt"
            )
        return _build(adaptable, optimizer, settings, statistics)
    except ValueError as error:
        raise InputError(f"ttt {method}: {error}") from error


def _build(
    adaptable: Adaptable,
    optimizer: OptimizerFactory,
    settings: Settings,
    statistics: CleanStatistics | None,
) -> Adapter:
    parts = adaptable, find_objective(settings.loss), optimizer, settings.steps
    gate = Gate(statistics=statistics) if settings.is_gated else None
    if settings.mode == "recording":
        return RecordingAdapter(*parts, gate, settings.chunk_seconds or PIECE_SECONDS)
    return TestTimeAdapter(
        *parts,
        gate=gate,
        start=SlowStart() if settings.mode == "continual" else None,
        chunk_seconds=settings.chunk_seconds,
    )
