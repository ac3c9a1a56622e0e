"""The convolutional front end of wav2vec 2.0, HuBERT and WavLM at any frame rate."""

from fractions import Fraction
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lact_modules.frontends.feature_encoder import HOPS, FeatureEncoder, valid_moments
from lact_modules.layers.dropout import Dropout
from lact_modules.ops.padding import check_lengths, padding_mask
from lact_modules.ops.spans import draw_spans

SAMPLE_RATE = 16000
DEFAULT_RATE = 80
"""Frames per second by default."""

_MAX_RATE = SAMPLE_RATE // HOPS[-1]

_Count = TypeVar("_Count", int, Tensor)


class Wav2Vec2Frontend(nn.Module):
    """Pretrained convolutions with other strides, then a projection and masking.

    The feature encoder and the feature projection of wav2vec 2.0 (arXiv 2006.11477,
    sec. 2), which HuBERT and WavLM share; `load_pretrained` of
    :mod:`~lact_modules.frontends.pretrained` copies their weights. Kernels stay as
    they were, see `FeatureEncoder`; their strides follow the frame rate:

    - ``target_hop_ms: 5`` is 80 samples, 200 frames a second. Other choices are 20,
      which is that of pretraining, 10, 2.5, 1.25, 0.625 and 0.3125.
    - ``target_frame_rate: 80`` is computed at the next finer hop, 10 ms here, then
      interpolated linearly between frames. A rate that a hop gives is that hop.
    - ``encoder_target_ds_factor: 5`` is an old name of ``target_hop_ms: 5``.

    "5x downsampling" and "about 800 tokens per 10 s", once used for one model,
    contradict each other: 5 ms gives 2000 frames per 10 s, and 800 are 80 a second.

    Frame `t` begins at sample ``hop t``; N samples give ceil(N / hop) frames. The last
    ones see zeros behind the utterance; those before are the frames of transformers.
    Padding has no influence on a valid frame, nor have other utterances.

    Arguments
    ---------
    d_model : int
        Dimension of an output frame.
    target_hop_ms : float | None
        Milliseconds between frames.
    target_frame_rate : float | None
        Frames a second, 1 to 3200. At most one of the three is given; 80 frames a
        second if none is.
    encoder_target_ds_factor : int | None
        Milliseconds between frames.
    channels : int
        Of each convolution: 512 in published models, fewer in a small one.
    norm : str
        ``"group"`` as in base models, ``"layer"`` as in large ones.
    conv_bias : bool
        Whether convolutions have a bias.
    normalize_input : bool
        Whether an utterance gets zero mean and unit variance, as most models expect.
    stack : int
        Frames that are joined to one before the projection, which divides the frame
        rate: for an encoder of fewer frames a second than the convolutions give.
    freeze : bool
        Leave the convolutions as they are: no gradient, and no graph for one. What
        follows them learns all the same, and stages that name them unfreeze them.
    normalize_output : bool
        Whether output frames are normalized over their dimensions, as wav2vec 2.0
        does before its first layer: what an encoder adds would drown them otherwise.
    dropout : float
        Of the output frames.
    mask_time_prob : float
        Share of the frames that training replaces by a learned one, in spans; see
        `draw_spans`.
    mask_time_span : int
        Frames of a span.
    mask_feature_prob : float
        Share of the dimensions that training sets to 0, in spans.
    mask_feature_span : int
        Dimensions of a span.

    Raises
    ------
    ValueError
        If two rates are given, or a rate, norm or stack is none of the above.

    Example
    -------
    >>> frontend = Wav2Vec2Frontend(d_model=16, target_hop_ms=5, channels=4)
    >>> x, lengths = frontend(torch.randn(2, 16000), torch.tensor([16000, 8000]))
    >>> x.shape, lengths
    (torch.Size([2, 200, 16]), tensor([200, 100]))
    """

    def __init__(
        self,
        d_model: int,
        target_hop_ms: float | None = None,
        target_frame_rate: float | None = None,
        encoder_target_ds_factor: int | None = None,
        channels: int = 512,
        norm: str = "group",
        conv_bias: bool = False,
        normalize_input: bool = True,
        stack: int = 1,
        freeze: bool = False,
        normalize_output: bool = False,
        dropout: float = 0.0,
        mask_time_prob: float = 0.0,
        mask_time_span: int = 10,
        mask_feature_prob: float = 0.0,
        mask_feature_span: int = 10,
    ):
        super().__init__()
        self._rate = _choose_rate(
            target_hop_ms=target_hop_ms,
            target_frame_rate=target_frame_rate,
            encoder_target_ds_factor=encoder_target_ds_factor,
        )
        if stack < 1:
            raise ValueError(f"stack={stack}: must be above 0")
        self.stack, self.frame_rate = stack, float(self._rate / stack)
        hop = next(hop for hop in HOPS if Fraction(SAMPLE_RATE, hop) >= self._rate)
        self._cnn_rate = Fraction(SAMPLE_RATE, hop)
        self.d_model, self.channels, self.conv_norm = d_model, channels, norm
        self.conv_bias, self.normalize_input = conv_bias, normalize_input
        self.mask_time = (mask_time_prob, mask_time_span)
        self.mask_feature = (mask_feature_prob, mask_feature_span)
        self.cnn = FeatureEncoder(channels, norm, conv_bias, hop)
        self.cnn.requires_grad_(not freeze)
        self.norm = nn.LayerNorm(channels)
        self.project = nn.Linear(stack * channels, d_model)
        self.mask_embedding = nn.Parameter(torch.empty(d_model).uniform_())
        self.output_norm = nn.LayerNorm(d_model) if normalize_output else nn.Identity()
        self.dropout = Dropout(dropout)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, N) samples of (B,) lengths to (B, T, d_model) frames and lengths."""
        return self.subsample(*self.features(waveform, lengths))

    def features(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute normalized features at the frame rate.

        Arguments
        ---------
        waveform : Tensor
            (B, N) float32 at 16 kHz.
        lengths : Tensor
            (B,) valid samples, int64.

        Returns
        -------
        features : Tensor
            (B, T, channels) float32, zero at padding.
        lengths : Tensor
            (B,) valid frames.
        """
        is_valid = _is_valid(waveform, lengths)
        waveform = torch.where(is_valid, waveform, 0.0).float()
        if self.normalize_input:
            mean, variance = valid_moments(waveform, lengths)
            # as transformers does, whose floor keeps silence finite
            waveform = (waveform - mean) / (variance + 1e-7).sqrt()
            waveform = torch.where(is_valid, waveform, 0.0)
        x = self.cnn(waveform, lengths).float()
        if self._rate != self._cnn_rate:
            num_frames = max(1, _count_frames(waveform.shape[1], self._rate))
            cnn_lengths = _count_frames(lengths, self._cnn_rate)
            x = _interpolate(x, cnn_lengths, self._cnn_rate / self._rate, num_frames)
        lengths = _count_frames(lengths, self._rate)
        x = self.norm(x)
        return torch.where(_is_valid(x, lengths)[..., None], x, 0.0), lengths

    def subsample(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Stack and project features (B, T, channels) to frames; mask in training."""
        check_lengths(lengths)
        missing = -features.shape[1] % self.stack
        x = pad(features, (0, 0, 0, missing)).unflatten(1, (-1, self.stack))
        x, lengths = self.project(x.flatten(2)), -(-lengths // self.stack)
        if self.training:
            x = self._mask(x, lengths)
        return self.dropout(self.output_norm(x)), lengths

    def _mask(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Hide spans of frames and of dimensions; also none, see `draw_spans`."""
        is_hidden = draw_spans(lengths, x.shape[1], *self.mask_time)
        # even where it hides nothing: parameters without a gradient stop DDP
        x = torch.where(is_hidden[..., None], self.mask_embedding.to(x.dtype), x)
        widths = torch.full_like(lengths, self.d_model)
        is_zeroed = draw_spans(widths, self.d_model, *self.mask_feature)
        return x.masked_fill(is_zeroed[:, None], 0.0)


def _choose_rate(**arguments: float | None) -> Fraction:
    """Return the frames a second that one of the three arguments asks for."""
    given = {name: value for name, value in arguments.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)}: give one of them, null for the rest")
    for name, value in given.items():
        if name == "target_frame_rate":
            # not a number is refused too
            if not 1 <= value <= _MAX_RATE:
                raise ValueError(f"{name}={value}: choose 1 to {_MAX_RATE}")
            return Fraction(value).limit_denominator(1000)
        choices = [1000 * hop / SAMPLE_RATE for hop in HOPS]
        if value not in choices:
            listed = ", ".join(f"{choice:g}" for choice in choices)
            raise ValueError(f"{name}={value}: choose one of {listed} milliseconds")
        return Fraction(SAMPLE_RATE, HOPS[choices.index(value)])
    return Fraction(DEFAULT_RATE)


def _count_frames(num_samples: _Count, rate: Fraction) -> _Count:
    """Divide samples by the hop and round up, in integers, where nothing rounds."""
    per_frame = SAMPLE_RATE * rate.denominator
    return (num_samples * rate.numerator + per_frame - 1) // per_frame


def _interpolate(
    x: Tensor, lengths: Tensor, ratio: Fraction, num_frames: int
) -> Tensor:
    """Read frames (B, T, C) at multiples of a ratio, up to an utterance's last one."""
    places = torch.arange(num_frames, device=x.device) * ratio.numerator
    last = x.shape[1] - 1
    before = (places // ratio.denominator).clamp(max=last)
    after = before + 1
    weight = (places % ratio.denominator) / ratio.denominator
    weight = torch.where(after < lengths[:, None], weight, 0.0)
    return torch.lerp(x[:, before], x[:, after.clamp(max=last)], weight[..., None])


def _is_valid(x: Tensor, lengths: Tensor) -> Tensor:
    return ~padding_mask(lengths, x.shape[1])
