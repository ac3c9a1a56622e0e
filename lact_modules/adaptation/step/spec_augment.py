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
    """Set bands of features to 0, which is the mean of normalized ones.

    The published code of arXiv 2406.12937 has six masks of up to 34 of 80 mel bands,
    and none over time.

    Arguments
    ---------
    features : Tensor
        (B, T, M)
    generators : Sequence[torch.Generator]
        One an utterance, of the CPU.
    num_masks : int
        Of each utterance; they may overlap.
    max_share : float
        Of the M bands, in the widest mask.

    Returns
    -------
    Tensor
        (B, T, M)

    Example
    -------
    >>> generators = [torch.Generator().manual_seed(0)]
    >>> masked = mask_bands(torch.ones(1, 5, 80), generators, num_masks=1)
    >>> bool((masked[0] == masked[0, 0]).all()), 0 < masked.mean() < 1
    (True, tensor(True))
    """
    num_bands = features.shape[-1]
    # (B, num_masks, 2)
    drawn = torch.stack([torch.rand(num_masks, 2, generator=g) for g in generators])
    widths = (drawn[..., 0] * max_share * (num_bands + 1)).long()
    is_masked = place_spans(
        widths, drawn[..., 1], torch.tensor(num_bands), num_bands
    ).to(features.device)
    return features.masked_fill(is_masked[:, None], 0.0)
