"""CTC recognizers of characters or word pieces."""

from collections.abc import Callable, Sequence
from typing import Any

import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor, nn

from lact_modules.adaptation.meta import MetaOutput, MetaStep
from lact_modules.adaptation.objective.objectives import find_objective
from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.training.brain import ASRBrain
from lact_modules.training.from_keys import from_keys
from lact_modules.training.objective.batch_loss import BatchLoss
from lact_modules.training.objective.losses import ctc_losses
from lact_modules.training.vocabulary.tokenizer import OutputUnits
from lact_modules.training.vocabulary.units import make_vocabulary


class CTCBrain(ASRBrain):
    """CTC over characters or pieces, and what prepares a model for test-time training.

    That is masked prediction, where the model has enabled it, or a step of test-time
    training in each step of training (`MetaStep`).

    Reads from the YAML what `ASRBrain` does, ``ttt_loss_weight``, ``meta_ttt``,
    ``meta_ttt_second_order``.

    Arguments
    ---------
    **arguments : Any
        For `ASRBrain`.

    Raises
    ------
    InputError
        If ``meta_ttt`` names no objective, or does not go with the model.
    """

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        self.meta_step = None
        if self.hparams.meta_ttt is not None:
            self.meta_step = make_meta_step(
                self.modules.model,
                self.hparams.meta_ttt,
                self.hparams.meta_ttt_second_order,
            )

    @classmethod
    def make_vocabulary(
        cls, hparams: dict[str, Any], read_texts: Callable[[], Sequence[str]]
    ) -> AnyVocabulary:
        """Make a vocabulary of characters or pieces, see `make_vocabulary`."""
        units = from_keys(OutputUnits, hparams)
        return make_vocabulary(units, hparams["model"], read_texts)

    def compute_forward(
        self, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, ...]:
        """Return log-probabilities (V B, T, N), numbers of frames (V B,), and more.

        That is a loss of masked prediction (V B,), or log-probabilities after a step of
        test-time training, see `MetaOutput`.
        """
        run = self.meta_step if stage == sb.Stage.TRAIN else None
        return self.run_model(batch.to(self.device), stage, run)

    def compute_objectives(
        self, predictions: tuple[Tensor, ...], batch: PaddedBatch, stage: sb.Stage
    ) -> BatchLoss:
        """Average CTC over all labels; utterances too long to align count as 0."""
        log_probs, frames, *more = predictions
        tokens, num_tokens = self.labels(batch, stage)
        ctc, is_infeasible = ctc_losses(log_probs, frames, tokens, num_tokens)
        self.count_infeasible(is_infeasible, stage)
        losses = ctc
        if isinstance(predictions, MetaOutput):
            adapted, _ = ctc_losses(predictions.adapted, frames, tokens, num_tokens)
            losses, more = (ctc + adapted) / 2, []
        losses = self.auxiliary.share_with_heads(losses, tokens, num_tokens, stage)
        for masked in more:
            # an error a frame, beside losses that are shared out among labels
            losses = losses + self.hparams.ttt_loss_weight * masked * num_tokens
        losses = self.auxiliary.add(losses, batch.id, tokens, num_tokens, stage)
        num_labels = num_tokens * ~is_infeasible
        return self.average(losses, num_labels, ctc, predictions, stage)


def make_meta_step(
    model: nn.Module, objective: str, second_order: bool = False
) -> MetaStep:
    """Make a `MetaStep`, which is called as the model is."""
    if not isinstance(model, CTCModel):
        raise InputError(f"meta_ttt: no way to adapt a {type(model).__name__}")
    try:
        return MetaStep(model, find_objective(objective, second_order), second_order)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"meta_ttt: {error}") from error
