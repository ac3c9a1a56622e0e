"""Inputs of a recognizer: augmented in training, in one view or in two."""

from collections.abc import Callable
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch, PaddedData
from torch import Tensor

from lact_modules.training.augmentation.augmentation import WaveformAugmenter
from lact_modules.training.augmentation.views import TwoViews
from lact_modules.training.batch.speech_batch import count_valid

Augment = Callable[[Tensor, Tensor], Tensor]
"""Changes features (B, T, M) of lengths (B,)."""


class SpeechInputs:
    """Inputs and labels of a model, from batches.

    Of V views of a batch in training, the second half of rows (V B) is of the same
    utterances as the first, in the same order.
    """

    def __init__(
        self,
        augmenter: WaveformAugmenter,
        views: TwoViews | None = None,
        wav_augment: Any = None,
        fea_augment: Any = None,
    ):
        self.augmenter, self.views = augmenter, views
        self.wav_augment, self.fea_augment = wav_augment, fea_augment

    def num_views(self, stage: sb.Stage) -> int:
        """Return how often each utterance of a batch is in the inputs, V."""
        return 2 if self.views is not None and stage == sb.Stage.TRAIN else 1

    def waveforms(
        self, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor, Augment | None]:
        """Return waveforms (V B, N), samples (V B,), and what augments features."""
        if stage != sb.Stage.TRAIN:
            return batch.signal.data, count_valid(batch.signal), None
        augmented = self._augment_waveforms(*batch.signal)
        return *augmented, None if self.fea_augment is None else self._augment_features

    @torch.no_grad()
    def _augment_waveforms(
        self, signals: Tensor, relative_lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        # resampling in bfloat16 would add noise of its own
        with torch.autocast(signals.device.type, enabled=False):
            # frames of two views are to be of the same time: one speed for both
            if self.wav_augment is not None:
                signals, relative_lengths = self.wav_augment(signals, relative_lengths)
            lengths = count_valid(PaddedData(signals, relative_lengths))
            return self.augmenter(signals, lengths, self.num_views(sb.Stage.TRAIN))

    def _augment_features(self, features: Tensor, lengths: Tensor) -> Tensor:
        return self.fea_augment(features, lengths / features.shape[1])[0]

    def labels(self, batch: PaddedBatch, stage: sb.Stage) -> tuple[Tensor, Tensor]:
        """Return tokens (V B, U) and their numbers (V B,)."""
        tokens, num_tokens = batch.tokens.data, count_valid(batch.tokens)
        num_views = self.num_views(stage)
        return tokens.repeat(num_views, 1), num_tokens.repeat(num_views)
