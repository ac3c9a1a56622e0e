"""Log-mel filter banks and convolutional subsampling."""

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lact_modules.frontends.normalization import (
    RunningNormalization,
    UtteranceNormalization,
)
from lact_modules.frontends.separable import can_subsample, subsample_separably
from lact_modules.frontends.spectrum import MelPowers
from lact_modules.layers.dropout import Dropout
from lact_modules.ops.padding import is_known_whole, padding_mask
from lact_modules.ops.subsampling import Bounds

_STRIDES = {12.5: 3, 25: 2, 50: 1, 100: 0}
"""Convolutions of stride 2 for each frame rate."""

_convolution = partial(nn.Conv2d, kernel_size=3, padding=1)

_Count = TypeVar("_Count", int, Tensor)


class MelFrontend(nn.Module):
    """Log-mel filter banks at 100 Hz, normalized, then subsampled by convolutions.

    Frame `t` is centred on sample ``160 t + 80``; N samples give ceil(N / 160)
    frames, and every stride of 2 halves them, rounding up. Padding is zeroed
    before each step that looks around, so it has no influence.

    Arguments
    ---------
    d_model : int
        Dimension of an output frame.
    audio_encoder_layers : int
        Convolution layers, 2 to 4.
    frame_rate : float
        12.5, 25, 50 or 100 frames a second; 12.5 takes 3 layers at least.
    channels : int
        Of each convolution layer.
    num_mels : int
        Mel bands between 20 and 8000 Hz.
    normalization : str
        ``"utterance"``, or ``"running"`` which is causal.
    dropout : float
        Of the output frames.
    statistics : str
        Of which frames it takes means and variances: ``"speech"`` or ``"all"``, see
        `Normalization`.
    convolution : Callable[..., nn.Module]
        Layers behind the first, made of channels, channels and a stride, by which each
        shortens both axes, rounding up; they see one place to each side. Such as
        `SeparableConvolution`.

    Raises
    ------
    ValueError
        If layers, rate, normalization or statistics are none of the above.

    Example
    -------
    >>> frontend = MelFrontend(d_model=16, frame_rate=50)
    >>> x, lengths = frontend(torch.randn(2, 16000), torch.tensor([16000, 8000]))
    >>> x.shape, lengths
    (torch.Size([2, 50, 16]), tensor([50, 25]))
    """

    sample_rate = 16000
    hop = 160
    window = 400

    def __init__(
        self,
        d_model: int,
        audio_encoder_layers: int = 2,
        frame_rate: float = 25,
        channels: int = 32,
        num_mels: int = 80,
        normalization: str = "utterance",
        dropout: float = 0.0,
        statistics: str = "all",
        convolution: Callable[..., nn.Module] = _convolution,
    ):
        super().__init__()
        if audio_encoder_layers not in (2, 3, 4):
            raise ValueError(f"audio_encoder_layers={audio_encoder_layers}: 2 to 4")
        if frame_rate not in _STRIDES:
            raise ValueError(f"frame_rate={frame_rate}: choose one of {[*_STRIDES]}")
        num_strided = _STRIDES[frame_rate]
        if audio_encoder_layers < num_strided:
            raise ValueError(
                f"frame_rate={frame_rate}: takes audio_encoder_layers={num_strided}, "
                "each of which halves 100 frames a second"
            )
        self.frame_rate = float(frame_rate)
        # its filter bank is computed: on a meta device that fails
        with torch.device("cpu"):
            self.mel = MelPowers(
                self.sample_rate,
                n_fft=512,
                win_length=self.window,
                hop_length=self.hop,
                f_min=20.0,
                n_mels=num_mels,
                center=False,
            )
        self.normalize = _make_normalization(normalization, num_mels, statistics)
        layers = range(audio_encoder_layers)
        self.strides = [2 if i < num_strided else 1 for i in layers]
        self.convolutions = nn.ModuleList(
            convolution(channels, channels, stride=stride)
            if i
            else _convolution(1, channels, stride=stride)
            for i, stride in enumerate(self.strides)
        )
        num_bands = math.ceil(num_mels / 2**num_strided)
        self.project = nn.Linear(channels * num_bands, d_model)
        # the convolutions leave a signal far below what the encoder adds to it
        self.norm = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, N) samples of (B,) lengths to (B, T, d_model) frames and lengths."""
        return self.subsample(*self.features(waveform, lengths))

    def features(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute normalized log-mel features.

        Arguments
        ---------
        waveform : Tensor
            (B, N) float32 at 16 kHz.
        lengths : Tensor
            (B,) valid samples, int64.

        Returns
        -------
        features : Tensor
            (B, T, num_mels) float32 at 100 Hz, zero at padding.
        lengths : Tensor
            (B,) valid frames.
        """
        if not is_known_whole(lengths < waveform.shape[1]):
            is_padding = padding_mask(lengths, waveform.shape[1])
            waveform = torch.where(is_padding, 0.0, waveform)
        waveform = waveform.float()
        num_frames = _divide_up(waveform.shape[1], self.hop)
        total = (num_frames - 1) * self.hop + self.mel.n_fft
        right = total - self.look_back - waveform.shape[1]
        with torch.autocast(device_type=waveform.device.type, enabled=False):
            features = self.log_mel(pad(waveform, (self.look_back, right)))
            lengths = _divide_up(lengths, self.hop)
            return self.normalize(features, lengths), lengths

    @property
    def look_back(self) -> int:
        """Samples before a feature frame's own that its spectrum sees."""
        return (self.mel.n_fft - self.hop) // 2

    def log_mel(self, waveform: Tensor) -> Tensor:
        """Map (B, look_back + N) samples to all features (B, T, num_mels) they fill."""
        # (B, M, T) -> (B, T, M)
        return (self.mel(waveform).mT + 1e-6).log()

    def subsample(
        self, features: Tensor, lengths: Tensor, skipped: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map features (B, T, num_mels) to (B, T', d_model) at the frame rate.

        Of (B,) `skipped` features at the beginning, multiples of all strides, nothing
        is used, as if the utterance began behind them.
        """
        bounds = Bounds(skipped, lengths)
        is_valid = bounds.mark(features.shape[1])
        features = torch.where(is_valid[..., None], features, 0.0)
        if can_subsample(self.convolutions, features):
            x = subsample_separably(self.convolutions, self.strides, features, bounds)
        else:
            x = self._convolve(features, bounds)
        lengths = _divide_up(lengths, math.prod(self.strides))
        # (B, C, T, M) -> (B, T, C M)
        x = self.project(x.transpose(1, 2).flatten(2))
        return self.dropout(self.norm(x)), lengths

    def _convolve(self, features: Tensor, bounds: Bounds) -> Tensor:
        """Map features (B, T, M) to (B, C, T', M')."""
        x = features[:, None]
        for convolution, stride in zip(self.convolutions, self.strides, strict=True):
            is_valid = bounds.mark(x.shape[2])
            if not is_known_whole(~is_valid):
                # what is finite is zeroed by a product, in a graph in half the time
                x = x * is_valid[:, None, :, None]
            x = nn.functional.silu(convolution(x))
            bounds = bounds.after(stride)
        return x


def _divide_up(count: _Count, divisor: int) -> _Count:
    return (count + divisor - 1) // divisor


def _make_normalization(name: str, num_mels: int, statistics: str) -> nn.Module:
    if name == "utterance":
        return UtteranceNormalization(statistics)
    if name == "running":
        # about half the frames hold speech: as many seconds as by default of all
        shorter = {"prior_frames": 50, "max_frames": 3000}
        options = shorter if statistics == "speech" else {}
        return RunningNormalization(num_mels, statistics=statistics, **options)
    raise ValueError(f"normalization={name!r}: choose 'utterance' or 'running'")
