"""SpecAugment over time: spans of frames, by the length of each utterance."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from speechbrain.augment.augmenter import Augmenter
from speechbrain.augment.freq_domain import SpectrogramDrop
from torch import Tensor, nn

from lact_modules.errors import InputError
from lact_modules.ops.padding import absolute_lengths
from lact_modules.ops.spans import place_spans


class TimeMasks(nn.Module):
    """Set spans of frames to 0, longer utterances more and longer ones.

    Adaptive SpecAugment (arXiv 1912.05533): an utterance of L frames gets
    ``count_share * L`` masks, `max_count` at most, and each is 0 to ``width_share * L``
    frames long, all as likely; both rounded down. None lies beyond the end, so how much
    of an utterance is hidden does not depend on what it is batched with. Masks may
    overlap. SpeechBrain's `SpectrogramDrop` knows no lengths: it has as many masks, as
    long, for all, and those of a short utterance may lie in its padding.

    Stands among the `augmentations` of SpeechBrain's `Augmenter`, or alone.

    Arguments
    ---------
    count_share : float
        Masks a frame.
    max_count : int
        Masks of an utterance.
    width_share : float
        Of the frames, in the longest mask.
    scale : float
        Factor of the number of masks, `max_count` included.

    Raises
    ------
    ValueError
        If a share or a number is below 0, or `width_share` above 1.

    Example
    -------
    >>> features = torch.ones(2, 1000, 80)
    >>> masked, _ = TimeMasks()(features, lengths=torch.tensor([1.0, 0.1]))
    >>> masked[0].mean() < 1, masked[1, 100:].min()
    (tensor(True), tensor(1.))
    """

    def __init__(
        self,
        count_share: float = 0.02,
        max_count: int = 10,
        width_share: float = 0.03,
        scale: float = 1.0,
    ):
        super().__init__()
        if min(count_share, max_count, width_share, scale) < 0:
            raise ValueError("count_share, max_count, width_share, scale: none below 0")
        if width_share > 1:
            raise ValueError(
                f"width_share={width_share}: a share of the frames, 0 to 1"
            )
        self.count_share, self.max_count = count_share, max_count
        self.width_share, self.scale = width_share, scale

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Mask a batch.

        Arguments
        ---------
        features : Tensor
            (B, T, M), in which 0 is the mean.
        lengths : Tensor
            (B,) relative to T.

        Returns
        -------
        features : Tensor
            (B, T, M)
        lengths : Tensor
            As given.
        """
        num_frames = features.shape[1]
        frames = absolute_lengths(lengths, num_frames)
        counts = (frames * self.count_share).clamp(max=self.max_count) * self.scale
        # as many are drawn for any batch
        each = torch.arange(int(self.max_count * self.scale), device=features.device)
        drawn = torch.rand(2, len(frames), len(each), device=features.device)
        longest = (frames * self.width_share).long()
        widths = (drawn[0] * (longest[:, None] + 1)).long()
        widths = widths.masked_fill(each >= counts.long()[:, None], 0)
        is_masked = place_spans(widths, drawn[1], frames[:, None], num_frames)
        return features.masked_fill(is_masked[..., None], 0.0), lengths


def scale_time_masks(augment: Any, scale: float) -> Any:
    """Return augmentation with more or fewer time masks, a copy if anything changes.

    Masks do not become longer. The lowest and the highest number of `SpectrogramDrop`
    are rounded.
    """
    if scale == 1 or augment is None:
        return augment
    scaled = copy.deepcopy(augment)
    for masks in _time_masks(scaled):
        if isinstance(masks, TimeMasks):
            masks.scale *= scale
        else:
            masks.drop_count_low = round(masks.drop_count_low * scale)
            masks.drop_count_high = round(masks.drop_count_high * scale)
    return scaled


def check_time_masks(augment: Any, scale: float | None) -> None:
    """Refuse a scale of time masks that augmentation does not have."""
    if scale is not None and not any(_time_masks(augment)):
        raise InputError(
            f"--time_mask_scale {scale:g}: fea_augment has no time masks that are "
            "known; leave it at null"
        )


def _time_masks(augment: Any) -> Iterable[TimeMasks | SpectrogramDrop]:
    """Yield the parts that mask time."""
    parts = [augment]
    if isinstance(augment, Augmenter):
        parts = [*augment.augmentations.values()]
    for part in parts:
        is_drop = isinstance(part, SpectrogramDrop) and part.dim == 1
        if is_drop or isinstance(part, TimeMasks):
            yield part
