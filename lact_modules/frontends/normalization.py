"""Feature normalization that ignores padding."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lact_modules.ops.padding import padding_mask

_FLOOR = 1e-3


class UtteranceNormalization(nn.Module):
    """Zero mean and unit variance per feature over the valid frames of an utterance.

    Example
    -------
    >>> x, lengths = torch.randn(2, 50, 4) * 3 + 7, torch.tensor([50, 20])
    >>> UtteranceNormalization()(x, lengths)[1, :20].mean().abs() < 1e-4
    tensor(True)
    """

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map features (B, T, M) of (B,) lengths to (B, T, M), zero at padding."""
        is_valid = _valid(x, lengths)
        count = lengths.clamp(min=1)[:, None, None]
        x = torch.where(is_valid, x, 0.0)
        centred = torch.where(is_valid, x - x.sum(1, keepdim=True) / count, 0.0)
        variance = centred.square().sum(1, keepdim=True) / count
        return centred / variance.sqrt().clamp(min=_FLOOR)


class RunningState(NamedTuple):
    """What has been heard of a stream.

    Arguments
    ---------
    num_frames : int
        How many frames, at most as many as are remembered.
    total : Tensor
        (B, 1, M) float64, their sum; older ones count less.
    square : Tensor
        (B, 1, M) float64, the sum of their squares, likewise.
    """

    num_frames: int
    total: Tensor
    square: Tensor


class RunningNormalization(nn.Module):
    """Normalize each frame by what has been heard up to it: causal, for streams.

    The statistics of frames 1..t are joined with a prior, the mean and variance of
    the training data, that weighs as much as `prior_frames` frames. The prior is
    learned in training, from valid frames alone. After `max_frames` the older frames
    count less and less, so that hours later another voice or room is still noticed.

    Arguments
    ---------
    num_features : int
        Features a frame.
    prior_frames : int
        Weight of the prior.
    momentum : float
        Share of a batch in the prior's moving average.
    max_frames : int
        How many frames are remembered: time constant of the forgetting.

    Example
    -------
    >>> normalization = RunningNormalization(4)
    >>> normalization(torch.randn(2, 50, 4), torch.tensor([50, 20])).shape
    torch.Size([2, 50, 4])
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
    ):
        super().__init__()
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
            self._update_prior(x.detach(), lengths)
        normalized, _ = self.resume(x, self.start(len(x)))
        return torch.where(is_valid, normalized, 0.0)

    def start(self, batch_size: int) -> RunningState:
        """Give the state before the first frame."""
        nothing = self.prior_mean.new_zeros(batch_size, 1, len(self.prior_mean))
        return RunningState(0, nothing.double(), nothing.double())

    def resume(self, x: Tensor, state: RunningState) -> tuple[Tensor, RunningState]:
        """Go on with frames (B, T, M), none of them padding."""
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
        frames = state.num_frames + torch.arange(1, x.shape[1] + 1, device=x.device)
        num_frames = frames.clamp(max=self.max_frames)[:, None]
        # of the sums before, what is left after each frame
        left = (1 - 1 / self.max_frames) ** (frames[:, None] - num_frames).double()
        # float64: a stream adds up more than float32 can hold
        wide = x.double()
        total = left * (state.total + (wide / left).cumsum(1))
        square = left * (state.square + (wide.square() / left).cumsum(1))
        count = num_frames + self.prior_frames
        mean = (total + self.prior_frames * self.prior_mean) / count
        mean_square = (square + self.prior_frames * self.prior_square) / count
        deviation = (mean_square - mean.square()).clamp(min=_FLOOR**2).sqrt()
        known = min(state.num_frames + x.shape[1], self.max_frames)
        after = RunningState(known, total[:, -1:], square[:, -1:])
        return ((wide - mean) / deviation).to(x.dtype), after

    @torch.no_grad()
    def _update_prior(self, x: Tensor, lengths: Tensor) -> None:
        count = lengths.sum().clamp(min=1)
        self.num_batches += 1
        # plain averaging at first, so that early batches do not weigh too much
        share = torch.clamp(1 / self.num_batches, min=self.momentum)
        self.prior_mean.lerp_(x.sum((0, 1)) / count, share)
        self.prior_square.lerp_(x.square().sum((0, 1)) / count, share)


def _valid(x: Tensor, lengths: Tensor) -> Tensor:
    return ~padding_mask(lengths, x.shape[1])[..., None]
