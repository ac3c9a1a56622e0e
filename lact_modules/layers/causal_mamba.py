"""Mamba in a text decoder: over the tokens so far, and over memory and tokens."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from lact_modules.layers.mamba import SelectiveStateSpace, flip_valid

MambaState = tuple[Tensor, Tensor]
"""The convolution's last inputs (B, E, d_conv - 1), the scan's state (B, E, N)."""


class CausalMamba(nn.Module):
    """A selective state space from left to right, all at once or token by token.

    Arguments
    ---------
    d_model : int
        Model dimension.
    d_state : int
        Size of a channel's state.
    expand : int
        Channels over model dimension.
    d_conv : int
        Tokens of the causal convolution before the scan.
    dt_rank : int | Literal["auto"]
        Rank of the projection to step sizes; ``"auto"`` is a sixteenth of the model
        dimension, rounded up.

    Example
    -------
    >>> mixer, x = CausalMamba(d_model=8, d_state=4), torch.randn(2, 3, 8)
    >>> y, state = mixer.step(x[:, 0], mixer.start(batch_size=2))
    >>> torch.allclose(y, mixer(x)[:, 0], atol=1e-6)
    True
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        expand: int = 2,
        d_conv: int = 4,
        dt_rank: int | Literal["auto"] = "auto",
    ):
        super().__init__()
        channels = expand * d_model
        rank = math.ceil(d_model / 16) if dt_rank == "auto" else dt_rank
        self.in_proj = nn.Linear(d_model, 2 * channels, bias=False)
        self.scan = SelectiveStateSpace(channels, d_state, d_conv, rank)
        self.out_proj = nn.Linear(channels, d_model, bias=False)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """Map (B, U, D) to the same; `skip` (B, U) marks padding at the front."""
        return self.out_proj(self.scan(self.in_proj(x), skip))

    def start(self, batch_size: int) -> MambaState:
        """Return the state before the first token."""
        return self.scan.start(batch_size)

    def step(self, x: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """Map one token (B, D) to the same; give the state after it."""
        y, state = self.scan.resume(self.in_proj(x[:, None]), state)
        return self.out_proj(y[:, 0]), state


class CrossMamba(nn.Module):
    """Read the memory, then the tokens, and keep the output at the tokens.

    The cross-Mamba of arXiv 2407.09732, sec. 2.3. The memory is moved to the right
    end, so that its last valid frame is before the first token: padding never
    enters the state. One state of constant size holds all the memory.

    Arguments
    ---------
    d_model : int
        Model dimension, also of the memory.
    d_state : int
        Size of a channel's state.
    expand : int
        Channels over model dimension.
    d_conv : int
        Frames of the causal convolution before the scan.
    dt_rank : int | Literal["auto"]
        Rank of the projection to step sizes, see `CausalMamba`.

    Example
    -------
    >>> memory, is_padding = torch.randn(2, 9, 8), torch.zeros(2, 9, dtype=torch.bool)
    >>> mixer = CrossMamba(d_model=8, d_state=4)
    >>> mixer(torch.randn(2, 3, 8), memory, is_padding).shape
    torch.Size([2, 3, 8])
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        expand: int = 2,
        d_conv: int = 4,
        dt_rank: int | Literal["auto"] = "auto",
    ):
        super().__init__()
        self.mamba = CausalMamba(d_model, d_state, expand, d_conv, dt_rank)

    def forward(self, x: Tensor, memory: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, U, D), after memory (B, T, D) with its padding (B, T), to (B, U, D).

        The memory must be zero at padding.
        """
        skip = torch.cat([is_padding.flip(1), is_padding.new_zeros(x.shape[:2])], 1)
        x = torch.cat([align_right(memory, is_padding), x], dim=1)
        return self.mamba(x, skip)[:, memory.shape[1] :]

    def start(self, memory: Tensor, is_padding: Tensor) -> MambaState:
        """Return the state after the memory."""
        xz = self.mamba.in_proj(align_right(memory, is_padding))
        start = self.mamba.start(len(memory))
        return self.mamba.scan.resume(xz, start, skip=is_padding.flip(1))[1]

    def step(self, x: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """Map one token (B, D) to the same; give the state after it."""
        return self.mamba.step(x, state)


def align_right(x: Tensor, is_padding: Tensor) -> Tensor:
    """Move padding from the end of each utterance to its front.

    Arguments
    ---------
    x : Tensor
        (B, T, D)
    is_padding : Tensor
        (B, T) bool, True at padding, which is at the end.

    Returns
    -------
    Tensor
        (B, T, D); its padding is ``is_padding.flip(1)``.

    Example
    -------
    >>> x = torch.tensor([[[1], [2], [3], [0]]])
    >>> align_right(x, torch.tensor([[False, False, False, True]])).flatten()
    tensor([0, 1, 2, 3])
    """
    return flip_valid(x, is_padding).flip(1)
