"""What the Brain of every recognizer adds to a recipe's: audio and transcripts."""

import logging
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor

from lact_modules.training.loop import RecipeBrain
from lact_modules.training.transcripts import Decoder, Transcripts

logger = logging.getLogger(__name__)


class ASRBrain(RecipeBrain):
    """The training loop for recognizers.

    A recipe's Brain adds `compute_forward`, by `run_model`, whose outputs the decoders
    take, and `utterance_losses`. Here the waveforms are augmented and the transcripts
    are collected; the word error rate tells which checkpoints are the best.

    Reads from the YAML what `RecipeBrain` does, ``wav_augment`` and ``fea_augment``.

    Arguments
    ---------
    decoders : dict[str, Decoder]
        By name; the first one serves validation and samples, all serve testing.
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    metric = "WER"

    def __init__(self, decoders: dict[str, Decoder], **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.decoders = decoders
        self.first_decoder = next(iter(decoders))
        self.num_infeasible = 0

    def run_model(self, batch: PaddedBatch, stage: sb.Stage, **inputs: Any) -> Any:
        """Run the model on a batch's waveforms, augmented in training."""
        signals, relative_lengths = batch.signal
        augment = None
        if stage == sb.Stage.TRAIN:
            signals, relative_lengths = self.hparams.wav_augment(
                signals, relative_lengths
            )
            augment = self._augment_features
        lengths = (relative_lengths * signals.shape[1]).round().long()
        return self.modules.model(signals, lengths, augment, **inputs)

    def _augment_features(self, features: Tensor, lengths: Tensor) -> Tensor:
        return self.hparams.fea_augment(features, lengths / features.shape[1])[0]

    def compute_objectives(
        self, outputs: Any, batch: PaddedBatch, stage: sb.Stage
    ) -> Tensor:
        """Average the losses over all labels of the batch; collect transcripts."""
        if stage != sb.Stage.TRAIN:
            self.transcripts.add(batch.id, batch.text, outputs)
        return super().compute_objectives(outputs, batch, stage)

    def show_sample(self, batch: PaddedBatch, outputs: Any) -> None:
        """Log what was said and heard in a batch's first utterance."""
        with torch.no_grad():
            hypothesis = self.decoders[self.first_decoder](*outputs)[0]
        logger.info(
            "step %d, sample %s\n  said:  %s\n  heard: %s",
            self.optimizer_step,
            batch.id[0],
            batch.text[0],
            hypothesis.text,
        )

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Begin to count and to collect anew."""
        if stage == sb.Stage.TRAIN:
            self.num_infeasible = 0
        elif stage == sb.Stage.VALID:
            name = self.first_decoder
            self.transcripts = Transcripts({name: self.decoders[name]})
        else:
            self.transcripts = Transcripts(self.decoders)

    def on_stage_end(
        self, stage: sb.Stage, stage_loss: float, epoch: int | None = None
    ) -> None:
        """Tell of utterances that could not be trained on; log and save."""
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == sb.Stage.TRAIN and self.num_infeasible:
            logger.warning(
                "epoch %d: %d utterances have more labels than frames and were "
                "not trained on; raise frame_rate or split them",
                epoch,
                self.num_infeasible,
            )

    def validation_metrics(self, stage_loss: float) -> dict[str, float]:
        """Give loss, and error rates in percent."""
        rates = self.transcripts.rates(self.first_decoder, num_bootstrap=0)
        return {"loss": float(stage_loss), "WER": rates.wer, "CER": rates.cer}
