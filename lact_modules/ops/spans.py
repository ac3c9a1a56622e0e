"""Spans of frames drawn at random, to be masked."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lact_modules.ops.padding import check_lengths


def draw_spans(
    lengths: Tensor,
    num_frames: int,
    share: float,
    span: int,
    generators: Sequence[torch.Generator] | None = None,
) -> Tensor:
    """Draw spans that cover about a share of each utterance.

    As wav2vec 2.0 does (arXiv 2006.11477, sec. 3.1): an utterance of L frames gets
    ``share * L / span`` spans, rounded up or down at random and at least one. Their
    starts are drawn without replacement and they may overlap, so somewhat less than
    the share is covered. An utterance shorter than a span, or a share of 0, gets none.

    Arguments
    ---------
    lengths : Tensor
        (B,) valid frames, int64.
    num_frames : int
        Frames in the batch.
    share : float
        Of the frames to cover, 0 to 1.
    span : int
        Frames of a span.
    generators : Sequence[torch.Generator] | None
        One for each utterance, of the CPU, so that an utterance's spans do not depend
        on the batch; torch's global one if None.

    Returns
    -------
    Tensor
        (B, num_frames) bool, False at padding.

    Example
    -------
    >>> mask = draw_spans(torch.tensor([100, 50]), 100, share=0.2, span=10)
    >>> 10 <= mask[0].sum() <= 20, mask[1, 50:].any()
    (tensor(True), tensor(False))
    """
    check_lengths(lengths)
    mask = torch.zeros(len(lengths), num_frames, dtype=torch.bool, device="cpu")
    for row, length in enumerate(lengths.tolist()):
        if length < span or not share:
            continue
        generator = generators[row] if generators is not None else None
        wanted = share * length / span
        extra = torch.rand((), generator=generator, device="cpu").item()
        num_starts = length - span + 1
        count = min(max(1, int(wanted + extra)), num_starts)
        order = torch.randperm(num_starts, generator=generator, device="cpu")
        frames = order[:count, None] + torch.arange(span, device="cpu")
        mask[row, frames.flatten()] = True
    return mask.to(lengths.device)
