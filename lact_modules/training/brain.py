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
from lact_modules.data.subwords import AnyVocabulary
from lact_modules.errors import InputError
from lact_modules.inference.decoders import decoding_steps
from lact_modules.inference.trained_model import TrainedModel
from lact_modules.layers.fast_weight_memory import FastWeightMemory
from lact_modules.training.averaging import Weights, validate_weights
from lact_modules.training.chunking import ChunkingWatch
from lact_modules.training.distillation import Distillation
from lact_modules.training.head_losses import HeadsWatch
from lact_modules.training.hearing import HearingBrain, num_samples
from lact_modules.training.transcripts import Decoder, Transcripts
from lact_modules.training.worst import WorstUtterances

METRICS = ("loss", "WER", "CER")
"""Of validation, rates in percent."""

logger = logging.getLogger(__name__)


class ASRBrain(HearingBrain):
    """The training loop for recognizers.

    A recognizer's Brain adds `make_vocabulary`, `compute_forward`, by `run_model`,
    whose outputs the decoders take, and `utterance_losses`. Here the transcripts are
    collected.

    Reads from the YAML what `HearingBrain` does, and ``best_by``: what tells which
    checkpoints are the best.

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
        self.chunking = ChunkingWatch.of(self.modules.model)
        self.heads = HeadsWatch.of(self.modules.model)
        if self.heads and self.heads.asked and not self.hparams.inter_ctc_weight:
            raise InputError(
                "inter_ctc_weight: 0, but router ctc-blank reads the head after block "
                f"{self.heads.asked[0]}, which learns nothing then; give more"
            )
        self.teacher = Distillation.of(self.hparams, self.modules.model)
        self.heard_ids: list[str] = []
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
        """Run the model, or `run`, on what is heard of a batch."""
        if self.heads is not None:
            self.heads.begin()
        self.heard_ids = batch.id
        return (run or self.model)(*self.hear(batch, stage), **inputs)

    def observe(self, outputs: Any, batch: PaddedBatch, stage: sb.Stage) -> None:
        """Collect transcripts, and of a validation what tells of its utterances."""
        self.transcripts.add(batch.id, batch.text, outputs)
        if stage == sb.Stage.VALID:
            log_probs, frames, *_ = outputs
            self.traits.append(Traits.of(log_probs, frames))
            signals, relative_lengths = batch.signal
            lengths = num_samples(signals, relative_lengths)
            heard = self.transcripts.hypotheses[self.first_decoder][-len(batch.id) :]
            self.worst.add(batch.id, batch.text, heard, signals, lengths)

    def chunking_losses(
        self, tokens: Tensor, num_tokens: Tensor, stage: sb.Stage
    ) -> Tensor:
        """Give what dynamic chunking adds to the loss of each utterance, (B,)."""
        if self.chunking is None or stage != sb.Stage.TRAIN:
            return torch.zeros_like(num_tokens, dtype=torch.float32)
        return self.chunking.losses(tokens, num_tokens)

    def head_losses(
        self, tokens: Tensor, num_tokens: Tensor, stage: sb.Stage
    ) -> Tensor:
        """Give what CTC heads after blocks add to that of CTC, (B,)."""
        if self.heads is None or stage != sb.Stage.TRAIN:
            return torch.zeros_like(num_tokens, dtype=torch.float32)
        return self.hparams.inter_ctc_weight * self.heads.losses(tokens, num_tokens)

    def teacher_losses(self, num_tokens: Tensor, stage: sb.Stage) -> Tensor:
        """Give what a teacher's codes add to the loss of each utterance, (B,)."""
        if self.heads is None or self.teacher is None or stage != sb.Stage.TRAIN:
            return torch.zeros_like(num_tokens, dtype=torch.float32)
        return self.teacher.losses(self.heads, self.heard_ids, num_tokens)

    def output_share(self, stage: sb.Stage) -> float:
        """Give the share of the output layer in what heads are trained by, too: CTC."""
        if self.heads is None or stage != sb.Stage.TRAIN or not self.heads.ctc_heads:
            return 1.0
        return 1.0 - self.hparams.inter_ctc_weight

    def step_metrics(self) -> dict[str, float]:
        """Tell of the last batch's views, its chunks, and its losses after blocks."""
        watches = (self.views, self.chunking, self.heads, self.teacher)
        return {
            name: value
            for watch in watches
            if watch is not None
            for name, value in watch.metrics().items()
        }

    def show_sample(self, batch: PaddedBatch, outputs: Any) -> None:
        """Log what was said and heard in a batch's first utterance."""
        with torch.no_grad():
            hypothesis = self.decoders[self.first_decoder](*outputs)[0]
        said, heard = batch.text[0], hypothesis.text
        sample = f"sample {batch.id[0]}\n  said:  {said}\n  heard: {heard}"
        logger.info("step %d, %s", self.optimizer_step, sample)
        if self.log:
            self.log.show_text(self.optimizer_step, "sample", sample)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Begin to count and to collect anew."""
        super().on_stage_start(stage, epoch)
        self.num_infeasible[stage] = 0
        if self.chunking is not None:
            self.chunking.begin(stage)
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
        """Tell of utterances that CTC has too few frames for; log and save."""
        if self.chunking is not None:
            # before a checkpoint is saved
            self.chunking.end()
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == sb.Stage.VALID:
            run_on_main(self._save_statistics)
        if stage == sb.Stage.VALID and self.log:
            for rank, each in enumerate(self.worst.found, start=1):
                name = f"worst/{rank}"
                self.log.show_audio(self.optimizer_step, name, each.signal, str(each))
        if self.num_infeasible[stage]:
            name = stage.name.lower()
            logger.warning(
                "%s: %d utterances have more labels than frames, which CTC can "
                "neither learn nor spell; give more frames, or split them",
                name if epoch is None else f"{name}, epoch {epoch}",
                self.num_infeasible[stage],
            )

    def on_evaluate_start(
        self, max_key: str | None = None, min_key: str | None = None
    ) -> None:
        """Load the weights to test; what was kept of clean speech is to be of them."""
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
        """Give loss, and error rates in percent."""
        rates = self.transcripts.rates(self.first_decoder, num_bootstrap=0)
        return dict(
            zip(METRICS, (float(stage_loss), rates.wer, rates.cer), strict=True)
        )


def describe_size(model: nn.Module) -> str:
    """Say how many parameters a model has, and how many of them are fast weights.

    Arguments
    ---------
    model : nn.Module
        With or without LaCT mixers.

    Returns
    -------
    str
        In millions.

    Example
    -------
    >>> describe_size(nn.Linear(999, 1000))
    '1.00 M parameters, 0.00 M of them initial fast weights'
    """
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
