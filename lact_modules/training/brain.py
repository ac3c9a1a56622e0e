"""What the Brain of every recognizer adds to a recipe's: audio and transcripts."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import if_main_process, run_on_main
from torch import Tensor, nn

from lact_modules.adaptation.gate import CleanStatistics, Traits
from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.errors import InputError
from lact_modules.inference.decoders import decoding_steps
from lact_modules.layers.fast_weight_memory import FastWeightMemory
from lact_modules.model_store.trained_model import TrainedModel
from lact_modules.scoring.transcripts import Decoder, Transcripts
from lact_modules.scoring.worst import WorstUtterances, show_pair
from lact_modules.training.augmentation.augmentation import WaveformAugmenter
from lact_modules.training.augmentation.views import TwoViews, time_mask_factor
from lact_modules.training.batch.speech_batch import count_valid
from lact_modules.training.checkpointing.averaging import Weights, validate_weights
from lact_modules.training.from_keys import from_keys
from lact_modules.training.loop import RecipeBrain
from lact_modules.training.objective.auxiliary import AuxiliaryLosses
from lact_modules.training.objective.batch_loss import BatchLoss
from lact_modules.training.objective.distillation import Distillation
from lact_modules.training.speech_inputs import SpeechInputs
from lact_modules.training.time_masks import scale_time_masks

METRICS = ("loss", "WER", "CER")
"""Of validation, rates in percent."""

logger = logging.getLogger(__name__)


class ASRBrain(RecipeBrain):
    """The training loop for recognizers.

    A recognizer's Brain adds `make_vocabulary`, `compute_forward`, by `run_model`,
    whose outputs the decoders take, and `compute_objectives`, by `labels`,
    `auxiliary` and `average`. Here the transcripts are collected.

    Reads from the YAML what `RecipeBrain`, `SpeechInputs` and `AuxiliaryLosses` do,
    ``num_worst_utterances``, and ``best_by``: the metric of the best checkpoints.

    Arguments
    ---------
    decoders : dict[str, Decoder]
        By name; the first one serves validation and samples, all serve testing.
    **brain_arguments : Any
        For `speechbrain.Brain`.

    Raises
    ------
    InputError
        If ``best_by`` is none of ``WER``, ``CER`` and ``loss``, or the head that a
        router reads is not trained.
    """

    def __init__(self, decoders: dict[str, Decoder], **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.metric = self.hparams.best_by
        if self.metric not in METRICS:
            raise InputError(
                f"best_by {self.metric!r}: choose from {', '.join(METRICS)}"
            )
        self.decoders = decoders
        self.first_decoder = next(iter(decoders))
        self.num_infeasible: Counter[sb.Stage] = Counter()
        self.inputs = from_keys(
            SpeechInputs,
            self.hparams,
            augmenter=from_keys(WaveformAugmenter, self.hparams),
            views=from_keys(TwoViews.of, self.hparams),
            fea_augment=scale_time_masks(
                self.hparams.fea_augment, from_keys(time_mask_factor, self.hparams)
            ),
        )
        model = self.modules.model
        codes, weight = self.hparams.teacher_codes, self.hparams.teacher_weight
        self.auxiliary = AuxiliaryLosses(
            model,
            self.hparams.inter_ctc_weight,
            Distillation.of(model, codes, weight),
        )
        if if_main_process():
            logger.info(describe_size(self.modules))

    @classmethod
    def make_vocabulary(
        cls, hparams: dict[str, Any], read_texts: Callable[[], Sequence[str]]
    ) -> AnyVocabulary:
        """Make the output units from the YAML, or from the training transcripts."""
        raise NotImplementedError

    @classmethod
    def make_decoders(
        cls, trained: TrainedModel, device: str, options: dict[str, Any]
    ) -> dict[str, Decoder]:
        """Make the decoders by name, the first for validation too."""
        return decoding_steps(trained, device=device, **options)

    def run_model(
        self,
        batch: PaddedBatch,
        stage: sb.Stage,
        run: Callable[..., Any] | None = None,
        **inputs: Any,
    ) -> Any:
        """Run the model, or `run`, on waveforms, augmented in training."""
        self.auxiliary.begin()
        return (run or self.model)(*self.inputs.waveforms(batch, stage), **inputs)

    def labels(self, batch: PaddedBatch, stage: sb.Stage) -> tuple[Tensor, Tensor]:
        """Return tokens (V B, U) and their numbers (V B,), for V views of a batch."""
        return self.inputs.labels(batch, stage)

    def count_infeasible(self, is_infeasible: Tensor, stage: sb.Stage) -> None:
        """Count utterances (V B,) that CTC has too few frames for."""
        num_views = self.inputs.num_views(stage)
        self.num_infeasible[stage] += int(is_infeasible.sum()) // num_views

    def average(
        self,
        losses: Tensor,
        num_labels: Tensor,
        ctc: Tensor,
        predictions: Sequence[Any],
        stage: sb.Stage,
    ) -> BatchLoss:
        """Average over labels; of two views over both, with what they disagree.

        Arguments
        ---------
        losses : Tensor
            (V B,) in nats, all that there are.
        num_labels : Tensor
            (V B,)
        ctc : Tensor
            (V B,), what CTC has of the losses, to be logged.
        predictions : Sequence[Any]
            Log-probabilities (V B, T, N) that CTC was given, valid frames (V B,).
        stage : sb.Stage
            Of the run.

        Returns
        -------
        BatchLoss
            Of the B utterances.
        """
        views = self.inputs.views
        if views is None or stage != sb.Stage.TRAIN:
            return BatchLoss.average(losses, num_labels)
        log_probs, frames = predictions[:2]
        num_labels = num_labels[: len(num_labels) // 2]
        weight = views.weight(self.scheduled_step, self.total_steps)
        losses = views.merge(losses, num_labels, ctc, log_probs, frames, weight)
        return BatchLoss.average(losses, num_labels)

    def observe(self, outputs: Any, batch: PaddedBatch, stage: sb.Stage) -> None:
        """Collect transcripts, and traits of a validation's utterances."""
        self.transcripts.add(batch.id, batch.text, outputs)
        if stage == sb.Stage.VALID:
            log_probs, frames, *_ = outputs
            self.traits.append(Traits.of(log_probs, frames))
            found = self.transcripts.hypotheses[self.first_decoder][-len(batch.id) :]
            signals, lengths = batch.signal.data, count_valid(batch.signal)
            self.worst.add(batch.id, batch.text, found, signals, lengths)

    def step_metrics(self) -> dict[str, float]:
        """Return the last batch's metrics of views, segments, and heads."""
        views = self.inputs.views
        return {**(views.metrics() if views else {}), **self.auxiliary.metrics()}

    def show_sample(self, batch: PaddedBatch, outputs: Any) -> None:
        """Log reference and hypothesis of a batch's first utterance."""
        with torch.no_grad():
            hypothesis = self.decoders[self.first_decoder](*outputs)[0]
        pair = show_pair(batch.text[0], hypothesis.text)
        sample = f"sample {batch.id[0]}\n{pair}"
        logger.info("step %d, %s", self.optimizer_step, sample)
        if self.state.log:
            self.state.log.show_text(self.optimizer_step, "sample", sample)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Begin to count and to collect anew."""
        super().on_stage_start(stage, epoch)
        self.num_infeasible[stage] = 0
        if self.auxiliary.chunking is not None:
            self.auxiliary.chunking.begin(stage)
        if stage == sb.Stage.VALID:
            name = self.first_decoder
            self.worst = WorstUtterances(self.hparams.num_worst_utterances)
            self.traits: list[Traits] = []
            self.transcripts = Transcripts({name: self.decoders[name]})
        elif stage == sb.Stage.TEST:
            self.transcripts = Transcripts(self.decoders)

    def on_stage_end(
        self, stage: sb.Stage, stage_loss: float, epoch: int | None = None
    ) -> None:
        """Warn of utterances with too few frames for CTC; log and save."""
        # before a checkpoint is saved
        self.auxiliary.end(stage)
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == sb.Stage.VALID:
            run_on_main(self._save_statistics)
        if stage == sb.Stage.VALID and self.state.log:
            for rank, each in enumerate(self.worst.found, start=1):
                name = f"worst/{rank}"
                signal, caption = each.signal, str(each)
                self.state.log.show_audio(self.optimizer_step, name, signal, caption)
        if self.num_infeasible[stage]:
            name = stage.name.lower()
            logger.warning(
                "%s: %d utterances have more labels than frames, which CTC can "
                "neither learn nor output; raise the frame rate, or split them",
                name if epoch is None else f"{name}, epoch {epoch}",
                self.num_infeasible[stage],
            )

    def on_evaluate_start(
        self, max_key: str | None = None, min_key: str | None = None
    ) -> None:
        """Load the weights to test; statistics of clean speech have to be of them."""
        super().on_evaluate_start(max_key, min_key)
        weights = self.model.state_dict()
        if self.validated is None or not _are_equal(weights, self.validated):
            validate_weights(self, weights)
        run_on_main(self._save_statistics)

    def _save_statistics(self) -> None:
        """Keep what results on clean speech look like, for test-time training."""
        # one utterance has no deviation
        if sum(len(traits.confidence) for traits in self.traits) > 1:
            folder = Path(self.hparams.output_folder)
            statistics = CleanStatistics.of(self.traits)
            statistics.save(folder / CleanStatistics.file_name)

    def validation_metrics(self, stage_loss: float) -> dict[str, float]:
        """Return loss, and error rates in percent."""
        rates = self.transcripts.rates(self.first_decoder, num_bootstrap=0)
        return dict(
            zip(METRICS, (float(stage_loss), rates.wer, rates.cer), strict=True)
        )


def describe_size(model: nn.Module) -> str:
    """Report how many million parameters a model has, and how many are fast weights."""
    total = sum(parameter.numel() for parameter in model.parameters())
    fast = sum(
        matrix.numel()
        for module in model.modules()
        if isinstance(module, FastWeightMemory)
        for matrix in module.initial
    )
    return (
        f"{total / 1e6:.2f} M parameters, {fast / 1e6:.2f} M of them initial fast "
        "weights"
    )


def _are_equal(some: Weights, others: Weights) -> bool:
    return all(torch.equal(some[name], others[name].to(some[name])) for name in some)
