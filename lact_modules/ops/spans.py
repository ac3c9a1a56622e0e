"""Spans of frames drawn at random, to be masked."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

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
    Nothing is read from the device that the lengths are on.

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
        One for each utterance, of the CPU and freshly seeded, so that an utterance's
        spans do not depend on the batch; the device's own one if None.

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
    shape = len(lengths), num_frames
    if not share:
        return torch.zeros(shape, dtype=torch.bool, device=lengths.device)
    extra, noise = _draw(lengths, num_frames, generators).split([1, num_frames], dim=1)
    num_places = (lengths - span + 1).clamp(min=0)
    wanted = (share * lengths / span + extra[:, 0]).long()
    count = wanted.clamp(min=1).minimum(num_places)
    frames = torch.arange(num_frames, device=lengths.device)
    # where no span can start comes last
    is_place = frames < num_places[:, None]
    order = noise.masked_fill(~is_place, torch.inf).argsort(dim=1)
    is_start = torch.zeros(shape, dtype=torch.int64, device=lengths.device)
    is_start = is_start.scatter(1, order, (frames < count[:, None]).long())
    begun = is_start.cumsum(dim=1)
    return begun > pad(begun, (span, 0))[:, :num_frames]


def place_spans(
    widths: Tensor, places: Tensor, lengths: Tensor, num_frames: int
) -> Tensor:
    """Mark what spans cover, each placed within its utterance.

    Arguments
    ---------
    widths : Tensor
        (B, K) int64, frames of each span, no more than its utterance has.
    places : Tensor
        (B, K) from 0 to below 1: where it may start, from first to last.
    lengths : Tensor
        Valid frames, int64, of a shape that broadcasts to (B, K).
    num_frames : int
        Frames in the batch.

    Returns
    -------
    Tensor
        (B, num_frames) bool.

    Example
    -------
    >>> widths, places = torch.tensor([[2, 1]]), torch.tensor([[0.0, 0.99]])
    >>> place_spans(widths, places, torch.tensor([[4]]), 6).int()
    tensor([[1, 1, 0, 1, 0, 0]], dtype=torch.int32)
    """
    starts = (places * (lengths - widths + 1)).long()
    frames = torch.arange(num_frames, device=widths.device)
    is_in = (frames >= starts[..., None]) & (frames < (starts + widths)[..., None])
    return is_in.any(dim=1)


def _draw(
    lengths: Tensor,
    num_frames: int,
    generators: Sequence[torch.Generator] | None,
) -> Tensor:
    """Draw numbers (B, 1 + num_frames), of which a shorter batch has the first."""
    size = 1 + num_frames
    if generators is None:
        return torch.rand(len(lengths), size, device=lengths.device)
    rows = [torch.rand(size, generator=each, device="cpu") for each in generators]
    return torch.stack(rows).to(lengths.device, non_blocking=True)
