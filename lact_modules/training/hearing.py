"""What a recognizer hears of a batch: augmented in training, once or in two views."""

from collections.abc import Callable
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from torch import Tensor

from lact_modules.training.augmentation import make_augmenter
from lact_modules.training.loop import RecipeBrain
from lact_modules.training.losses import count_tokens
from lact_modules.training.time_masks import scale_time_masks
from lact_modules.training.views import TwoViews, time_mask_scale

Augment = Callable[[Tensor, Tensor], Tensor]
"""Changes features (B, T, M) of lengths (B,)."""


class HearingBrain(RecipeBrain):
    """The training loop for what hears utterances.

    Of V views that are heard of a batch in training, the second half of rows (V B) is
    of the same utterances as the first, in the same order.

    Reads from the YAML what `RecipeBrain`, `make_augmenter`, `TwoViews.of` and
    `time_mask_scale` do, ``wav_augment`` and ``fea_augment``.

    Arguments
    ---------
    **brain_arguments : Any
        For `speechbrain.Brain`.
    """

    def __init__(self, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.views = TwoViews.of(self.hparams)
        self.augmenter = make_augmenter(self.hparams)
        self.fea_augment = scale_time_masks(
            self.hparams.fea_augment, time_mask_scale(self.hparams)
        )

    def num_views(self, stage: sb.Stage) -> int:
        """Tell how often each utterance of a batch is heard, V."""
        return 2 if self.views is not None and stage == sb.Stage.TRAIN else 1

    def hear(
        self, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor, Augment | None]:
        """Give waveforms (V B, N), samples (V B,), and what augments features."""
        signals, relative_lengths = batch.signal
        if stage != sb.Stage.TRAIN:
            return signals, num_samples(signals, relative_lengths), None
        heard = self._augment_waveforms(signals, relative_lengths)
        return *heard, None if self.fea_augment is None else self._augment_features

    @torch.no_grad()
    def _augment_waveforms(
        self, signals: Tensor, relative_lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        # resampling in bfloat16 would add noise of its own
        with torch.autocast(signals.device.type, enabled=False):
            # frames of two views are to be of the same time: one speed for both
            if self.hparams.wav_augment is not None:
                signals, relative_lengths = self.hparams.wav_augment(
                    signals, relative_lengths
                )
            lengths = num_samples(signals, relative_lengths)
            return self.augmenter(signals, lengths, self.num_views(sb.Stage.TRAIN))

    def _augment_features(self, features: Tensor, lengths: Tensor) -> Tensor:
        return self.fea_augment(features, lengths / features.shape[1])[0]

    def labels(self, batch: PaddedBatch, stage: sb.Stage) -> tuple[Tensor, Tensor]:
        """Give tokens (V B, U) and their numbers (V B,)."""
        tokens, num_tokens = batch.tokens.data, count_tokens(batch.tokens)
        num_views = self.num_views(stage)
        return tokens.repeat(num_views, 1), num_tokens.repeat(num_views)

    def merge_views(
        self,
        losses: Tensor,
        num_labels: Tensor,
        ctc: Tensor,
        log_probs: Tensor,
        frames: Tensor,
        stage: sb.Stage,
    ) -> tuple[Tensor, Tensor]:
        """Give losses and numbers of labels (B,) of utterances.

        Arguments
        ---------
        losses : Tensor
            (V B,), all that there are.
        num_labels : Tensor
            (V B,)
        ctc : Tensor
            (V B,), what CTC has of the losses, to be logged.
        log_probs : Tensor
            (V B, T, N) that CTC was given.
        frames : Tensor
            (V B,) valid frames.
        stage : sb.Stage
            Of the run.

        Returns
        -------
        losses : Tensor
            (B,), of two views their mean, with what `TwoViews.merge` adds.
        num_labels : Tensor
            (B,)
        """
        if self.num_views(stage) == 1:
            return losses, num_labels
        assert self.views is not None
        num_labels = num_labels[: len(num_labels) // 2]
        weight = self.views.weight(self.scheduled_step, self.total_steps)
        merged = self.views.merge(losses, num_labels, ctc, log_probs, frames, weight)
        return merged, num_labels


def num_samples(signals: Tensor, relative_lengths: Tensor) -> Tensor:
    """Give the lengths (B,) of signals (B, N) in samples, int64."""
    return (relative_lengths * signals.shape[1]).round().long()
