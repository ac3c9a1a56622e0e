"""SpecAugment for test-time training: bands of features, masked by each utterance."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lact_modules.ops.spans import place_spans


def mask_bands(
    features: Tensor,
    generators: Sequence[torch.Generator],
    num_masks: int = 6,
    max_share: float = 0.425,
) -> Tensor:
    """Set bands of features (B, T, M) to 0, which is the mean of normalized ones.

    The published code of arXiv 2406.12937 has six masks of up to 34 of 80 mel bands,
    and none over time. Each utterance draws from its own generator, of the CPU.
    """
    num_bands = features.shape[-1]
    # (B, num_masks, 2)
    drawn = torch.stack([torch.rand(num_masks, 2, generator=g) for g in generators])
    widths = (drawn[..., 0] * max_share * (num_bands + 1)).long()
    is_masked = place_spans(
        widths, drawn[..., 1], torch.tensor(num_bands), num_bands
    ).to(features.device)
    return features.masked_fill(is_masked[:, None], 0.0)
