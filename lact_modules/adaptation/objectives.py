"""What test-time training minimizes: losses of a pass through the model."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.adaptation import losses
from lact_modules.encoders.ctc_model import CTCModel
from lact_modules.encoders.masked_prediction import Encode


class Pass(NamedTuple):
    """A batch on its way through a model.

    Arguments
    ---------
    model : CTCModel
        Whose output layer and masked predictor are used.
    encode : Encode
        The encoder, with the parameters as they are now.
    frames : Tensor
        (B, T, D) of the front end.
    lengths : Tensor
        (B,) valid frames.
    hidden : Tensor
        (B, T, D) of the encoder.
    log_probs : Tensor
        (B, T, V) float32.
    generators : Sequence[torch.Generator]
        One an utterance, for what is drawn at random.
    """

    model: CTCModel
    encode: Encode
    frames: Tensor
    lengths: Tensor
    hidden: Tensor
    log_probs: Tensor
    generators: Sequence[torch.Generator]


Objective = Callable[[Pass], Tensor]
"""Gives the loss of each utterance, (B,)."""


def entropy(seen: Pass) -> Tensor:
    """Uncertainty of the tokens, see `losses.entropy`."""
    return losses.entropy(seen.log_probs, seen.lengths)


def suta(seen: Pass) -> Tensor:
    """SUTA's mix of entropy and class confusion, see `losses.suta`."""
    return losses.suta(seen.log_probs, seen.lengths)


def masked_prediction(seen: Pass) -> Tensor:
    """Error at hidden frames, see `MaskedPredictor`.

    Arguments
    ---------
    seen : Pass
        Of a model with a masked predictor.

    Returns
    -------
    Tensor
        (B,)

    Raises
    ------
    ValueError
        If the model has none.
    """
    predictor = seen.model.masked_predictor
    if predictor is None:
        raise ValueError(
            "masked_prediction: the model was trained without enable_ttt; take "
            "another loss"
        )
    return predictor(
        seen.encode, seen.frames, seen.lengths, seen.hidden, seen.generators
    )


OBJECTIVES: Mapping[str, Objective] = {
    "entropy": entropy,
    "suta": suta,
    "masked_prediction": masked_prediction,
}


def find_objective(name: str) -> Objective:
    """Find an objective, or the sum of several.

    Arguments
    ---------
    name : str
        Of `OBJECTIVES`; several are joined by ``+``.

    Returns
    -------
    Objective
        Called with a `Pass`.

    Raises
    ------
    ValueError
        If there is no such objective.

    Example
    -------
    >>> find_objective("entropy") is entropy
    True
    """
    parts = name.split("+")
    for part in parts:
        if part not in OBJECTIVES:
            raise ValueError(f"loss {part!r}: choose from {', '.join(OBJECTIVES)}")
    if len(parts) == 1:
        return OBJECTIVES[name]

    def total(seen: Pass) -> Tensor:
        return torch.stack([OBJECTIVES[part](seen) for part in parts]).sum(dim=0)

    return total
