"""The convolutions of wav2vec 2.0, with strides that can be reduced."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, pad

from lact_modules.ops.padding import check_lengths

KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)

WINDOW = 400
"""Samples that a frame sees."""

HOPS = tuple(math.prod(STRIDES[:count]) for count in range(len(STRIDES), 0, -1))
"""Samples between frames that reduced strides can give: 320, 160, ..., 5."""


class FeatureEncoder(nn.Module):
    """Seven convolutions from samples to frames (arXiv 2006.11477, sec. 2).

    A smaller hop than 320 samples comes of strides reduced to 1 from the last layer
    on. The layers behind are dilated so that each kernel's taps stay as many samples
    apart as in pretraining: every 2nd, 4th, ... frame is then a frame of the usual hop.
    The first layer stays as it is, and with it the statistics of its group norm.
    """

    def __init__(
        self,
        channels: int,
        norm: str = "group",
        conv_bias: bool = False,
        hop: int = HOPS[0],
    ):
        super().__init__()
        if norm not in ("group", "layer"):
            raise ValueError(f"norm={norm!r}: choose 'group' or 'layer'")
        self.hop = hop
        num_reduced = HOPS.index(hop)
        strides = [*STRIDES[: len(STRIDES) - num_reduced], *[1] * num_reduced]
        self.layers = nn.ModuleList()
        for i, (kernel, stride) in enumerate(zip(KERNELS, strides, strict=True)):
            convolution = nn.Conv1d(
                channels if i else 1,
                channels,
                kernel,
                stride,
                dilation=math.prod(STRIDES[:i]) // math.prod(strides[:i]),
                bias=conv_bias,
            )
            # torch's own choice would let the signal fade over so many layers
            nn.init.kaiming_normal_(convolution.weight)
            has_norm = norm == "layer" or i == 0
            self.layers.append(_Layer(convolution, norm if has_norm else None))

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Return (B, ceil(N / hop), channels), one frame at least, in autocast's dtype.

        Frame `t` sees samples ``hop t`` to ``hop t + 399``. The waveform (B, N), zero
        at padding, is extended by zeros on the right, so that a frame begins at every
        multiple of the hop within it. Frames that begin at padding are finite and mean
        nothing.
        """
        check_lengths(lengths)
        num_frames = max(1, -(-waveform.shape[1] // self.hop))
        total = (num_frames - 1) * self.hop + WINDOW
        # (B, N) -> (B, N, 1)
        x = pad(waveform, (0, total - waveform.shape[1]))[..., None]
        # windows of the first layer that lie wholly in the utterance
        counts = (lengths - KERNELS[0]) // STRIDES[0] + 1
        for layer in self.layers:
            x = layer(x, counts)
        return x


class _Layer(nn.Module):
    """A convolution, perhaps a norm whose statistics are float32, and GELU.

    Frames stay (B, T, C) in memory, which norms over channels read in one go: nearly
    twice as fast on a CPU as (B, C, T).
    """

    def __init__(self, convolution: nn.Conv1d, norm: str | None):
        super().__init__()
        channels = convolution.out_channels
        self.convolution = convolution
        self.norm: nn.Module | None = None
        if norm == "layer":
            self.norm = nn.LayerNorm(channels)
        elif norm == "group":
            self.norm = nn.GroupNorm(channels, channels)

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        x = _convolve(x, self.convolution)
        if isinstance(self.norm, nn.LayerNorm):
            x = self.norm(x.float()).to(x.dtype)
        elif isinstance(self.norm, nn.GroupNorm):
            x = _normalize_channels(x, counts, self.norm)
        return gelu(x)


def _convolve(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """Apply a convolution to (B, T, C); one of two dimensions knows that layout."""
    weight = convolution.weight[:, :, None]
    weight = weight.contiguous(memory_format=torch.channels_last)
    stride, dilation = (1, *convolution.stride), (1, *convolution.dilation)
    y = conv2d(x.mT[:, :, None], weight, convolution.bias, stride, 0, dilation)
    return y[:, :, 0].mT


def _normalize_channels(x: Tensor, counts: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Apply a group norm to (B, T, C), with statistics of the first (B,) positions."""
    full = x.float()
    mean, variance = valid_moments(full.mT, counts)
    scale = norm.weight * (variance.mT + norm.eps).rsqrt()
    shift = norm.bias - mean.mT * scale
    return torch.addcmul(shift, full, scale).to(x.dtype)


def valid_moments(x: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (B, ..., 1) over the valid positions of the last axis.

    The variance is the population's: divided by the count, which is at least 1.

    >>> x, counts = torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([2])
    >>> mean, variance = valid_moments(x, counts)
    >>> mean.item(), variance.item()
    (2.0, 1.0)
    """
    counts = counts.clamp(min=1).view(-1, *[1] * (x.ndim - 1))
    is_valid = torch.arange(x.shape[-1], device=x.device) < counts
    mean = torch.where(is_valid, x, 0.0).sum(-1, keepdim=True) / counts
    centred = torch.where(is_valid, x - mean, 0.0)
    return mean, centred.square().sum(-1, keepdim=True) / counts
