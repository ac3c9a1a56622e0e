"""CTC/attention recognizers of word pieces."""

from collections.abc import Callable, Sequence
from typing import Any

import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.decoders.losses import token_losses, with_start
from lact_modules.decoding.ctc import GreedyDecoder
from lact_modules.encoders import S2SOutput
from lact_modules.model_store.trained_model import TrainedModel
from lact_modules.scoring.transcripts import Decoder
from lact_modules.training.brain import ASRBrain
from lact_modules.training.from_keys import from_keys
from lact_modules.training.objective.batch_loss import BatchLoss
from lact_modules.training.objective.losses import ctc_losses
from lact_modules.training.vocabulary.tokenizer import OutputUnits, prepare_tokenizer


class S2SBrain(ASRBrain):
    """CTC and attention over word pieces, their losses weighted (arXiv 1609.06773).

    Arguments are those of `ASRBrain`; reads ``ctc_weight`` and ``label_smoothing``
    from the YAML too.
    """

    @classmethod
    def make_vocabulary(
        cls, hparams: dict[str, Any], read_texts: Callable[[], Sequence[str]]
    ) -> SubwordVocabulary:
        """Load or train a tokenizer, see `prepare_tokenizer`."""
        return prepare_tokenizer(from_keys(OutputUnits, hparams), read_texts)

    @classmethod
    def make_decoders(
        cls, trained: TrainedModel, device: str, options: dict[str, Any]
    ) -> dict[str, Decoder]:
        """Put CTC before the others: it judges checkpoints quicker than attention."""
        ctc = GreedyDecoder(trained.vocabulary, trained.model.frame_rate)
        return {"ctc": ctc, **super().make_decoders(trained, device, options)}

    def compute_forward(self, batch: PaddedBatch, stage: sb.Stage) -> S2SOutput:
        """Score tokens by frame, and by the tokens before them."""
        batch = batch.to(self.device)
        tokens, _ = self.labels(batch, stage)
        tokens = with_start(tokens, SubwordVocabulary.bos_id)
        return self.run_model(batch, stage, tokens=tokens)

    def compute_objectives(
        self, predictions: S2SOutput, batch: PaddedBatch, stage: sb.Stage
    ) -> BatchLoss:
        """Weight both losses; an utterance too short for CTC has attention's."""
        tokens, num_tokens = self.labels(batch, stage)
        ctc, is_infeasible = ctc_losses(
            predictions.log_probs, predictions.lengths, tokens, num_tokens
        )
        self.count_infeasible(is_infeasible, stage)
        by_frames = self.auxiliary.share_with_heads(ctc, tokens, num_tokens, stage)
        assert predictions.token_log_probs is not None
        attention = token_losses(
            predictions.token_log_probs,
            tokens,
            num_tokens,
            SubwordVocabulary.eos_id,
            self.hparams.label_smoothing,
        )
        weight = self.hparams.ctc_weight
        losses = weight * by_frames + (1 - weight) * attention
        losses = self.auxiliary.add(losses, batch.id, tokens, num_tokens, stage)
        return self.average(losses, num_tokens, ctc, predictions, stage)
