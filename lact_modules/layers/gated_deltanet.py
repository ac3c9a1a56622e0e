"""The Gated DeltaNet mixer: linear attention that corrects what it has written."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu, softplus

from lact_modules.layers.chunking import Chunking, keep_last
from lact_modules.layers.mamba import flip_valid
from lact_modules.ops.depthwise import convolve_frames
from lact_modules.ops.gated_delta_rule import gated_delta_rule
from lact_modules.ops.padding import zero_padding
from lact_modules.ops.precision import in_full

# Step sizes before training are log-uniform; decays per step uniform, below the last.
_DT_MIN, _DT_MAX, _A_MAX = 1e-3, 1e-1, 16.0
# As published, of what keys and queries are divided by.
_EPSILON = 1e-6


class DeltaState(NamedTuple):
    """The carried state of earlier frames.

    Arguments
    ---------
    window : Tensor
        (B, d_conv - 1, C), the convolution's last inputs.
    memory : Tensor
        (B, H, K, V), float32.
    """

    window: Tensor
    memory: Tensor


class GatedDeltaNetMixer(nn.Module):
    """Mix frames by gated delta rules, one for each direction of time.

    Gated DeltaNet (arXiv 2412.06464, sec. 3.4): short convolutions on queries, keys
    and values, queries and keys of length 1, learned decay and writing strength of
    each frame, a norm of each head and a gate before the projection out. Directions
    share projections and norm, as in ConMamba (arXiv 2407.09732, sec. 2.2), and their
    mean is gated. The backward one reads each utterance from its own last frame, so
    that padding never enters it.

    As published it has about 6 d_model^2 parameters; with ``expand=1.0`` 4, which is
    what attention has.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_heads : int
        Heads of each direction.
    expand : float
        Dimension of all values over model dimension.
    key_share : float
        Dimension of keys over that of values.
    d_conv : int
        Frames of the causal convolutions.
    bidirectional : bool
        False leaves the backward direction out: no look-ahead.

    Raises
    ------
    ValueError
        If heads do not divide the dimension of keys or of values.

    Example
    -------
    >>> x, is_padding = torch.randn(2, 9, 16), torch.zeros(2, 9, dtype=torch.bool)
    >>> GatedDeltaNetMixer(d_model=16, num_heads=2)(x, is_padding).shape
    torch.Size([2, 9, 16])
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int = 4,
        expand: float = 1.5,
        key_share: float = 0.5,
        d_conv: int = 4,
        bidirectional: bool = True,
    ):
        super().__init__()
        values = round(expand * d_model)
        keys = round(key_share * values)
        if not keys or keys % num_heads or values % num_heads:
            raise ValueError(
                f"d_model={d_model}: {values} channels of values by expand and {keys} "
                f"of keys by key_share must be multiples of num_heads={num_heads}"
            )
        self.directions = 2 if bidirectional else 1
        self.num_heads, self.sizes = num_heads, (keys, keys, values)
        self.past, all_heads = d_conv - 1, self.directions * num_heads
        # queries, keys and values, their gate, and logits of strengths and step sizes
        self.split = (sum(self.sizes), values, 2 * all_heads)
        channels = self.directions * sum(self.sizes)
        self.in_proj = nn.Linear(d_model, sum(self.split), bias=False)
        self.conv1d = nn.Conv1d(channels, channels, d_conv, groups=channels, bias=False)
        self.A_log = nn.Parameter(torch.empty(all_heads))
        self.dt_bias = nn.Parameter(torch.empty(all_heads))
        self.norm = nn.RMSNorm(values // num_heads, eps=1e-5)
        self.out_proj = nn.Linear(values, d_model, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with short steps, of decays that differ from head to head."""
        # a model that is only described has no values
        if self.A_log.is_meta:
            return
        with torch.no_grad():
            # above 0, whose logarithm is infinite
            self.A_log.copy_((_A_MAX * (1 - torch.rand_like(self.A_log))).log())
            span = math.log(_DT_MIN), math.log(_DT_MAX)
            dt = torch.empty_like(self.dt_bias).uniform_(*span).exp()
            # softplus(bias) = dt
            self.dt_bias.copy_(dt + torch.log(-torch.expm1(-dt)))

    def forward(self, x: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, T, D) with its (B, T) padding to (B, T, D)."""
        qkv, gate, logits = self._project(x, is_padding)
        if self.directions == 2:
            forwards, backwards = logits.chunk(2, dim=-1)
            qkv = torch.cat([qkv, flip_valid(qkv, is_padding)], dim=-1)
            backwards = flip_valid(backwards, is_padding)
            logits = torch.cat([forwards, backwards], dim=-1)
        y, _ = self._write_and_read(pad(qkv, (0, 0, self.past, 0)), logits, is_padding)
        if self.directions == 2:
            y, backwards = y.chunk(2, dim=-1)
            y = 0.5 * (y + flip_valid(backwards, is_padding))
        return self.out_proj(y * silu(gate))

    def chunked(
        self,
        x: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: DeltaState | None = None,
    ) -> tuple[Tensor, DeltaState]:
        """Go from left to right, see `ChunkedLayer`; chunks make no difference."""
        if self.directions == 2:
            raise NotImplementedError("streaming chunks need bidirectional=False")
        qkv, gate, logits = self._project(x, is_padding)
        window = qkv.new_zeros(qkv.shape[0], self.past, qkv.shape[-1])
        memory = None
        if state is not None:
            window, memory = state
        qkv = torch.cat([window, qkv], dim=1)
        y, memory = self._write_and_read(qkv, logits, is_padding, memory)
        state = DeltaState(keep_last(qkv, self.past), memory)
        return self.out_proj(y * silu(gate)), state

    def _project(self, x: Tensor, is_padding: Tensor) -> tuple[Tensor, ...]:
        return zero_padding(self.in_proj(x), is_padding).split(self.split, dim=-1)

    def _write_and_read(
        self,
        qkv: Tensor,
        logits: Tensor,
        is_padding: Tensor,
        memory: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Convolve, write and read, and norm.

        Maps (B, d_conv - 1 + T, directions x C) and (B, T, directions x 2 H) to
        (B, T, directions x V). To the rule a direction is some more heads.
        """
        qkv = silu(convolve_frames(qkv, self.conv1d.weight, None, (0, 0)))
        # (B, T, directions x C) -> 3 x (B, T, directions x H, C / H)
        q, k, v = (
            part.unflatten(-1, (self.num_heads, -1)).flatten(2, 3)
            for part in qkv.unflatten(-1, (self.directions, -1)).split(self.sizes, -1)
        )
        logits = in_full(logits).unflatten(-1, (self.directions, 2, -1))
        # 2 x (B, T, directions x H)
        strength, step = (each.flatten(2) for each in logits.unbind(-2))
        decay = self.A_log.to(step.dtype).exp()
        y, memory = gated_delta_rule(
            _unit(q),
            _unit(k),
            v,
            -decay * softplus(step + self.dt_bias),
            strength.sigmoid(),
            memory,
            is_padding,
        )
        return self.norm(in_full(y)).flatten(2), memory


def _unit(x: Tensor) -> Tensor:
    """Divide each key by its length, and very short ones by more."""
    x = in_full(x)
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + _EPSILON)
