"""The Mamba mixer: selective state spaces, forwards and backwards over time."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, silu

from lact_modules.layers.chunking import Chunking
from lact_modules.ops.padding import zero_padding
from lact_modules.ops.segments import take_frames
from lact_modules.ops.selective_scan import resume_scan, selective_scan

# Step sizes before training: log-uniform between the first two, at least the last.
_DT_MIN, _DT_MAX, _DT_FLOOR = 1e-3, 1e-1, 1e-4


def flip_valid(x: Tensor, is_padding: Tensor) -> Tensor:
    """Turn the valid frames of each utterance around; padding stays where it is.

    Arguments
    ---------
    x : Tensor
        (B, T, D)
    is_padding : Tensor
        (B, T) bool, True at padding, which is at the end.

    Returns
    -------
    Tensor
        (B, T, D)

    Example
    -------
    >>> x = torch.tensor([[[1], [2], [3], [0]]])
    >>> flip_valid(x, torch.tensor([[False, False, False, True]])).flatten()
    tensor([3, 2, 1, 0])
    """
    frames = torch.arange(x.shape[1], device=x.device)
    lengths = (~is_padding).sum(dim=1, keepdim=True)
    return take_frames(x, torch.where(is_padding, frames, lengths - 1 - frames))


class BiMambaMixer(nn.Module):
    """Mix frames by two selective state spaces, one for each direction of time.

    ConMamba's mixer (arXiv 2407.09732, sec. 2.2): both directions share the
    projections in and out, and their mean is projected out. The backward one reads
    each utterance from its own last frame, so padding never enters it, and a valid
    frame does not depend on what it is batched with. Parameters are named as in
    mamba-ssm.

    Arguments
    ---------
    d_model : int
        Model dimension.
    d_state : int
        Size of a channel's state.
    expand : int
        Channels over model dimension.
    d_conv : int
        Frames of the causal convolution before the scan.
    dt_rank : int | Literal["auto"]
        Rank of the projection to step sizes; ``"auto"`` is a sixteenth of the model
        dimension, rounded up.
    bidirectional : bool
        False leaves the backward direction out: no look-ahead.

    Example
    -------
    >>> x, is_padding = torch.randn(2, 9, 8), torch.zeros(2, 9, dtype=torch.bool)
    >>> BiMambaMixer(d_model=8, d_state=4)(x, is_padding).shape
    torch.Size([2, 9, 8])
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        expand: int = 2,
        d_conv: int = 4,
        dt_rank: int | Literal["auto"] = "auto",
        bidirectional: bool = True,
    ):
        super().__init__()
        channels = expand * d_model
        rank = math.ceil(d_model / 16) if dt_rank == "auto" else dt_rank
        self.in_proj = nn.Linear(d_model, 2 * channels, bias=False)
        self.forwards = SelectiveStateSpace(channels, d_state, d_conv, rank)
        self.backwards = (
            SelectiveStateSpace(channels, d_state, d_conv, rank)
            if bidirectional
            else None
        )
        self.out_proj = nn.Linear(channels, d_model, bias=False)

    def forward(self, x: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, T, D) with its (B, T) padding to (B, T, D)."""
        xz = zero_padding(self.in_proj(x), is_padding)
        y = self.forwards(xz)
        if self.backwards is not None:
            flipped = self.backwards(flip_valid(xz, is_padding))
            y = 0.5 * (y + flip_valid(flipped, is_padding))
        return self.out_proj(y)

    def chunked(
        self,
        x: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Scan from left to right, see `ChunkedLayer`; chunks make no difference."""
        if self.backwards is not None:
            raise NotImplementedError("streaming chunks need bidirectional=False")
        xz = zero_padding(self.in_proj(x), is_padding)
        y, state = self.forwards.resume(xz, state or self.forwards.start(len(x)))
        return self.out_proj(y), state


class SelectiveStateSpace(nn.Module):
    """One direction of Mamba (arXiv 2312.00752, sec. 3.4), between its projections.

    Arguments
    ---------
    channels : int
        E, the expanded dimension.
    d_state : int
        Size of a channel's state.
    d_conv : int
        Frames of the causal convolution.
    dt_rank : int
        Rank of the projection to step sizes.

    Example
    -------
    >>> direction = SelectiveStateSpace(channels=8, d_state=4, d_conv=4, dt_rank=1)
    >>> direction(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, channels: int, d_state: int, d_conv: int, dt_rank: int):
        super().__init__()
        self.split = (dt_rank, d_state, d_state)
        self.past = d_conv - 1
        self.conv1d = nn.Conv1d(channels, channels, d_conv, groups=channels)
        self.x_proj = nn.Linear(channels, sum(self.split), bias=False)
        self.dt_proj = nn.Linear(dt_rank, channels)
        self.A_log = nn.Parameter(torch.empty(channels, d_state))
        self.D = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from the states of S4D-real (arXiv 2206.11893) and short steps."""
        # a model that is only described has no values
        if self.A_log.is_meta:
            return
        with torch.no_grad():
            states = torch.arange(1.0, self.A_log.shape[1] + 1)
            self.A_log.copy_(states.log().expand_as(self.A_log))
            nn.init.ones_(self.D)
            bound = self.dt_proj.in_features**-0.5
            nn.init.uniform_(self.dt_proj.weight, -bound, bound)
            log_dt = torch.empty_like(self.D).uniform_(
                math.log(_DT_MIN), math.log(_DT_MAX)
            )
            # softplus(bias) = dt
            dt = log_dt.exp().clamp(min=_DT_FLOOR)
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))

    def forward(self, xz: Tensor, skip: Tensor | None = None) -> Tensor:
        """Scan the first half of the channels, gate with the second.

        Arguments
        ---------
        xz : Tensor
            (B, T, 2 E), zero at padding.
        skip : Tensor | None
            (B, T) bool, True at frames that leave the state as it is: padding at the
            front. Padding at the end needs none.

        Returns
        -------
        Tensor
            (B, T, E); finite but meaningless at padding.
        """
        # (B, T, 2 E) -> 2 x (B, E, T)
        x, z = xz.mT.chunk(2, dim=1)
        return self._scan(selective_scan, pad(x, (self.past, 0)), z, skip).mT

    def start(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Return the state (B, E, d_conv - 1), (B, E, N) before the first frame."""
        window = self.D.new_zeros(batch_size, len(self.D), self.past)
        return window, torch.zeros_like(self.A_log).expand(batch_size, -1, -1)

    def resume(
        self, xz: Tensor, state: tuple[Tensor, Tensor], skip: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Continue from a state, frame by frame; the same as :meth:`forward` in pieces.

        Arguments
        ---------
        xz : Tensor
            (B, T, 2 E), at least one frame, no padding but what is skipped.
        state : tuple[Tensor, Tensor]
            See :meth:`start`: the convolution's last inputs, and the scan's state.
        skip : Tensor | None
            See :meth:`forward`; skipped frames come before all others.

        Returns
        -------
        y : Tensor
            (B, T, E)
        state : tuple[Tensor, Tensor]
            After the last frame.
        """
        window, hidden = state
        x, z = xz.mT.chunk(2, dim=1)
        x = torch.cat([window, x], dim=-1)
        y, hidden = self._scan(partial(resume_scan, hidden), x, z, skip)
        return y.mT, (x[..., x.shape[-1] - self.past :], hidden)

    def _scan(
        self, scan: Callable[..., Any], x: Tensor, z: Tensor, skip: Tensor | None
    ) -> Any:
        x = silu(self.conv1d(x))
        if skip is not None:
            x = x.masked_fill(skip[:, None], 0.0)
        dt, B, C = self.x_proj(x.mT).split(self.split, dim=-1)
        return scan(
            x,
            linear(dt, self.dt_proj.weight).mT,
            -torch.exp(self.A_log.float()),
            B.mT,
            C.mT,
            self.D,
            z,
            delta_bias=self.dt_proj.bias,
            delta_softplus=True,
        )
