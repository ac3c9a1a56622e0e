"""Feature normalization by the frames that hold speech; padding has no part in it."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lact_modules.frontends.loudness import (
    LoudnessState,
    measure_levels,
    track_loudness,
    weigh_frames,
)
from lact_modules.ops.padding import padding_mask

_FLOOR = 1e-3

LOWEST = -3.0
"""Deviations below the mean of speech at which features end, in silence or noise."""


STATISTICS = ("speech", "all")
"""Of which frames means and variances are taken."""


class Normalization(nn.Module):
    """What normalizations share: which frames count, and how low features may go.

    With ``"speech"`` loud frames alone count, and features end at `LOWEST`, so that
    pauses change nothing. With ``"all"`` every frame counts, as in models from before
    the other was there; a pause then distorts the speech beside it.
    """

    def __init__(self, statistics: str = "all"):
        super().__init__()
        if statistics not in STATISTICS:
            raise ValueError(f"statistics={statistics!r}: choose one of {STATISTICS}")
        self.speech_alone = statistics == "speech"

    def weigh(self, x: Tensor, is_valid: Tensor) -> Tensor:
        """Weigh frames (B, T, 1) of features (B, T, M), padding being 0."""
        if not self.speech_alone:
            return is_valid.to(x.dtype)
        return weigh_frames(measure_levels(x.detach()), is_valid[..., 0])[..., None]

    def limit(self, x: Tensor) -> Tensor:
        """Limit normalized features to what speech has."""
        return x.clamp(min=LOWEST) if self.speech_alone else x


class UtteranceNormalization(Normalization):
    """Zero mean and unit variance per feature over frames of an utterance."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map features (B, T, M) of (B,) lengths to (B, T, M), zero at padding."""
        is_valid = _valid(x, lengths)
        x = torch.where(is_valid, x, 0.0)
        weights = self.weigh(x, is_valid)
        # an utterance without frames has no weight
        count = weights.sum(1, keepdim=True).clamp(min=_FLOOR)
        # shares first: a frame alone is its own mean, to the last bit
        shares = weights / count
        mean = (shares * x).sum(1, keepdim=True)
        centred = torch.where(is_valid, x - mean, 0.0)
        variance = (shares * centred.square()).sum(1, keepdim=True)
        return self.limit(centred / variance.sqrt().clamp(min=_FLOOR))


class RunningState(NamedTuple):
    """Carried statistics of a stream: counts, sums and sums of squares, in float64.

    Shapes are (B, 1, 1), (B, 1, M) and (B, 1, M). Older frames count less.
    """

    num_frames: Tensor
    total: Tensor
    square: Tensor
    loudness: LoudnessState


class RunningNormalization(Normalization):
    """Normalize each frame by the frames up to it: causal, for streams.

    The statistics of frames 1..t are joined with a prior, the mean and variance of the
    training data, that weighs as much as `prior_frames` frames. The prior is learned in
    training, as an EMA over batches of their valid frames. After `max_frames` the older
    frames count less and less, so that hours later another voice or room is still
    noticed. If only speech counts, the prior is forgotten as more speech comes, or
    something far louder than what was taken for it; a pause changes nothing, however
    long.
    """

    prior_mean: Tensor
    prior_square: Tensor
    num_batches: Tensor

    def __init__(
        self,
        num_features: int,
        prior_frames: int = 100,
        momentum: float = 0.01,
        max_frames: int = 6000,
        statistics: str = "all",
    ):
        super().__init__(statistics)
        self.prior_frames = prior_frames
        self.max_frames = max_frames
        self.momentum = momentum
        self.register_buffer("prior_mean", torch.zeros(num_features))
        self.register_buffer("prior_square", torch.ones(num_features))
        self.register_buffer("num_batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map features (B, T, M) of (B,) lengths to (B, T, M), zero at padding."""
        is_valid = _valid(x, lengths)
        x = torch.where(is_valid, x, 0.0)
        if self.training:
            self._update_prior(x.detach(), is_valid)
        normalized, _ = self.resume(x, self.start(x.shape[0]))
        return torch.where(is_valid, normalized, 0.0)

    def start(self, batch_size: int) -> RunningState:
        """Return the state before the first frame."""
        nothing = self.prior_mean.new_zeros(batch_size, 1, len(self.prior_mean))
        nothing = nothing.double()
        loudness = LoudnessState.start(nothing, batch_size)
        return RunningState(nothing[..., :1], nothing, nothing, loudness)

    def resume(self, x: Tensor, state: RunningState) -> tuple[Tensor, RunningState]:
        """Continue with frames (B, T, M), none of them padding."""
        if torch.compiler.is_exporting():
            # a graph does not loop; for hours float64 holds the factors
            return self._resume_piece(x, state)
        normalized = [x[:, :0]]
        # longer pieces would have factors that float64 cannot hold
        for piece in x.split(self.max_frames, dim=1):
            if piece.shape[1]:
                output, state = self._resume_piece(piece, state)
                normalized.append(output)
        return torch.cat(normalized, dim=1), state

    def _resume_piece(
        self, x: Tensor, state: RunningState
    ) -> tuple[Tensor, RunningState]:
        # float64: a stream adds up more than float32 can hold
        wide = x.double()
        weights, left, loudness = self._weigh(wide, state)
        gained = weights / left
        count = left * (state.num_frames + gained.cumsum(1))
        total = left * (state.total + (gained * wide).cumsum(1))
        square = left * (state.square + (gained * wide.square()).cumsum(1))
        known = count + self.prior_frames
        mean = (total + self.prior_frames * self.prior_mean) / known
        mean_square = (square + self.prior_frames * self.prior_square) / known
        deviation = (mean_square - mean.square()).clamp(min=_FLOOR**2).sqrt()
        after = RunningState(count[:, -1:], total[:, -1:], square[:, -1:], loudness)
        return self.limit((wide - mean) / deviation).to(x.dtype), after

    def _weigh(
        self, wide: Tensor, state: RunningState
    ) -> tuple[Tensor, Tensor, LoudnessState]:
        """Weigh frames (B, T, 1), and what is left after each of the sums before."""
        if not self.speech_alone:
            weights = torch.ones_like(wide[..., :1])
            # plain sums, until there are more frames than are carried
            beyond = state.num_frames + weights.cumsum(1) - self.max_frames
            return weights, _left(beyond.clamp(min=0), self.max_frames), state.loudness
        levels = measure_levels(wide.detach())
        loud, records, loudness = track_loudness(levels, state.loudness)
        left = _left(loud.cumsum(1), self.max_frames) * 10 ** (-records.cumsum(1) / 10)
        return loud[..., None], left[..., None], loudness

    @torch.no_grad()
    def _update_prior(self, x: Tensor, is_valid: Tensor) -> None:
        weights = self.weigh(x, is_valid)
        count = weights.sum().clamp(min=1)
        self.num_batches += 1
        # plain averaging at first, so that early batches do not weigh too much
        share = torch.clamp(1 / self.num_batches, min=self.momentum)
        self.prior_mean.lerp_((weights * x).sum((0, 1)) / count, share)
        self.prior_square.lerp_((weights * x.square()).sum((0, 1)) / count, share)


def _left(frames: Tensor, max_frames: int) -> Tensor:
    return (1 - 1 / max_frames) ** frames


def _valid(x: Tensor, lengths: Tensor) -> Tensor:
    return ~padding_mask(lengths, x.shape[1])[..., None]
