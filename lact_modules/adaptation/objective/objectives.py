"""What test-time training minimizes: losses of a pass through the model."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.adaptation.objective import losses
from lact_modules.adaptation.objective.pseudo_labels import label, pseudo_label_loss
from lact_modules.encoders.ctc_model import CTCModel
from lact_modules.encoders.masked_prediction import Encode


class FrontendOutput(NamedTuple):
    """What a front end outputs for a batch.

    Arguments
    ---------
    features : Tensor
        (B, S, M), before what subsamples them.
    num_features : Tensor
        (B,) valid ones.
    frames : Tensor
        (B, T, D) for the encoder.
    lengths : Tensor
        (B,) valid frames.
    """

    features: Tensor
    num_features: Tensor
    frames: Tensor
    lengths: Tensor

    def of_rows(self, rows: Tensor) -> "FrontendOutput":
        """Take some utterances, without padding that only others need."""
        num_features, lengths = self.num_features[rows], self.lengths[rows]
        return FrontendOutput(
            self.features[rows, : int(num_features.max())],
            num_features,
            self.frames[rows, : int(lengths.max())],
            lengths,
        )


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
    score_masked : Callable[[], Tensor]
        Computes the log-probabilities with bands of the features masked, see
        `mask_bands`.
    """

    model: CTCModel
    encode: Encode
    frames: Tensor
    lengths: Tensor
    hidden: Tensor
    log_probs: Tensor
    generators: Sequence[torch.Generator]
    score_masked: Callable[[], Tensor]


Objective = Callable[[Pass], Tensor]
"""Computes the loss of each utterance, (B,)."""


def entropy(seen: Pass) -> Tensor:
    """Uncertainty of the tokens, see `losses.entropy`."""
    return losses.entropy(seen.log_probs, seen.lengths)


def suta(seen: Pass) -> Tensor:
    """SUTA's mix of entropy and class confusion, see `losses.suta`."""
    return losses.suta(seen.log_probs, seen.lengths)


def masked_prediction(seen: Pass) -> Tensor:
    """Error (B,) at hidden frames, see `MaskedPredictor`."""
    predictor = seen.model.masked_predictor
    if predictor is None:
        raise ValueError(
            "masked_prediction: the model was trained without enable_ttt; take "
            "another loss"
        )
    return predictor(
        seen.encode, seen.frames, seen.lengths, seen.hidden, seen.generators
    )


def pseudo_labels(seen: Pass) -> Tensor:
    """CTC loss (B,) a frame on masked features, with labels from unmasked ones.

    Noisy-student training on what is to be transcribed (arXiv 2406.12937): the teacher
    is the model as it is now, on unmasked features; the student has the features with
    bands masked. The loss is 0 where there are no labels, see `label`.
    """
    labels = label(seen.log_probs.detach(), seen.lengths)
    return pseudo_label_loss(seen.score_masked(), seen.lengths, labels)


OBJECTIVES: Mapping[str, Objective] = {
    "entropy": entropy,
    "suta": suta,
    "masked_prediction": masked_prediction,
    "pseudo_labels": pseudo_labels,
}


_DIFFERENTIABLE_ONCE = {"pseudo_labels"}
"""PyTorch knows no gradient of CTC's gradient."""


def find_objective(name: str, second_order: bool = False) -> Objective:
    """Find one of `OBJECTIVES`, or the sum of several, joined by ``+``.

    Raises ValueError for none, or if it has no second derivative and one is wanted.
    """
    parts = name.split("+")
    for part in parts:
        if part not in OBJECTIVES:
            raise ValueError(f"loss {part!r}: choose from {', '.join(OBJECTIVES)}")
        if second_order and part in _DIFFERENTIABLE_ONCE:
            raise ValueError(f"loss {part!r}: has no second derivative; take another")
    if len(parts) == 1:
        return OBJECTIVES[name]

    def total(seen: Pass) -> Tensor:
        return torch.stack([OBJECTIVES[part](seen) for part in parts]).sum(dim=0)

    return total
