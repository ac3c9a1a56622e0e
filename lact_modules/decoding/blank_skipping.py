"""Pass over frames that are blank beyond doubt, before they are searched."""

import copy
from math import log

import torch
from torch import Tensor

from lact_modules.decoding.numbers import check_number


def check_threshold(threshold: float | None) -> None:
    """Raise an `InputError` if it is no probability that makes a blank sure."""
    if threshold is not None:
        check_number("skip_blanks", threshold, 0.5, below=1)


def drop_blanks(
    log_probs: Tensor, lengths: Tensor, threshold: float, blank_id: int = 0
) -> tuple[Tensor, Tensor]:
    """Leave frames out of a batch (B, T, V), (B,) valid, as `BlankSkipper` does."""
    is_kept = ~_is_left_out(log_probs[..., blank_id], log(threshold))
    frames = torch.arange(log_probs.shape[1], device=log_probs.device)
    is_kept &= frames < lengths[:, None]
    counts = is_kept.sum(dim=1)
    first = (~is_kept).int().argsort(dim=1, stable=True)
    first = first[:, : int(counts.max())] if len(counts) else first
    return log_probs.take_along_dim(first[..., None], dim=1), counts


def _is_left_out(blank: Tensor, least: float, was_sure: bool = False) -> Tensor:
    """Mark frames that are surely blank, as is the one before; both (..., T)."""
    sure = blank >= least
    first = torch.full_like(sure[..., :1], was_sure)
    return sure & torch.cat([first, sure], dim=-1)[..., :-1]


class BlankSkipper:
    """Skip frames whose blank is all but certain (arXiv 2305.11558).

    That is from a probability of `threshold` on, at least 0.5 and below 1; None skips
    none. The first of each run of them stays, for a blank separates a token that is
    repeated from one that continues. So texts remain, and nearly their scores: what is
    skipped could have been hardly anything else. `score` is the log-probability of the
    blanks that were skipped since `begin`.
    """

    def __init__(self, threshold: float | None, blank_id: int = 0):
        check_threshold(threshold)
        self.threshold, self.blank_id = threshold, blank_id
        self.begin()

    def begin(self) -> None:
        """Begin an utterance."""
        self.score, self._num_frames, self._was_sure = 0.0, 0, False
        self._kept: list[int] = []

    def fork(self) -> "BlankSkipper":
        """Return another of the same kind, at the beginning."""
        other = copy.copy(self)
        other.begin()
        return other

    def __call__(self, log_probs: Tensor) -> Tensor:
        """Return those (T', V) of the next frames (T, V) that are to be searched."""
        if self.threshold is None or not len(log_probs):
            return log_probs
        blank, least = log_probs[:, self.blank_id], log(self.threshold)
        is_left_out = _is_left_out(blank, least, self._was_sure)
        self._was_sure = bool(blank[-1] >= least)
        self.score += blank[is_left_out].sum().item()
        kept = (~is_left_out).nonzero()[:, 0]
        self._kept += (kept + self._num_frames).tolist()
        self._num_frames += len(blank)
        return log_probs[kept]

    def frame(self, index: int) -> int:
        """Return the number of a frame that was kept, or of one before or after all."""
        if self.threshold is None or index < 0:
            return index
        beyond = index - len(self._kept)
        return self._kept[index] if beyond < 0 else self._num_frames + beyond
