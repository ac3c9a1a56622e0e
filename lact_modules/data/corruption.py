"""What rooms, noise, channels and codecs do to a recording.

Functions of one waveform, (N,) float32 at 16 kHz with full scale 1, unpadded. All but
`change_speed` keep its length and the times of its words.
"""

import io
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import soundfile
import torch
import torchaudio
from scipy.fft import next_fast_len
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.errors import InputError

# Keeps a division by silence finite.
_TINY = torch.finfo(torch.float32).tiny


class _FileCodec(NamedTuple):
    """How soundfile calls a codec."""

    format: str
    subtype: str


_FILE_CODECS = {
    "mulaw": _FileCodec("WAV", "ULAW"),
    "alaw": _FileCodec("WAV", "ALAW"),
    "mp3": _FileCodec("MP3", "MPEG_LAYER_III"),
    "opus": _FileCodec("OGG", "OPUS"),
    "vorbis": _FileCodec("OGG", "VORBIS"),
}

NARROWBAND = 8000
"""Hz; the sample rate of telephones."""

CODECS = (*_FILE_CODECS, "narrowband")
"""What `apply_codec` knows; narrowband is `band_limit` to telephones' rate."""


def rms(waveform: Tensor) -> Tensor:
    """Measure a level: the root of the mean square, ``sqrt(mean(x^2))``.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32.

    Returns
    -------
    Tensor
        () float32.

    Example
    -------
    >>> rms(torch.tensor([3.0, -3.0]))
    tensor(3.)
    """
    return waveform.square().mean().sqrt()


def add_noise(waveform: Tensor, noise: Tensor, snr_db: float) -> Tensor:
    """Add noise at a signal-to-noise ratio.

    ``y = x + g n`` with ``g = rms(x) / rms(n) * 10^(-snr_db / 20)``, both levels over
    the N samples. Silent noise adds nothing, and nothing is added to silence.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32.
    noise : Tensor
        (M,) float32; cut to N samples, or repeated if it has fewer.
    snr_db : float
        Decibels.

    Returns
    -------
    Tensor
        (N,) float32.

    Example
    -------
    >>> speech, noise = torch.ones(4), torch.tensor([5.0, -5.0])
    >>> add_noise(speech, noise, snr_db=20.0)
    tensor([1.1000, 0.9000, 1.1000, 0.9000])
    """
    num_samples = len(waveform)
    noise = noise.repeat(-(-num_samples // len(noise)))[:num_samples]
    gain = rms(waveform) / rms(noise).clamp(min=_TINY) * 10 ** (-snr_db / 20)
    return waveform + gain * noise


def add_gaussian(
    waveform: Tensor, sigma: float, generator: torch.Generator | None = None
) -> Tensor:
    """Add white noise: ``y = x + sigma n``, ``n ~ N(0, 1)``.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32.
    sigma : float
        Standard deviation; full scale is 1.
    generator : torch.Generator | None
        Of the CPU; torch's global one if None.

    Returns
    -------
    Tensor
        (N,) float32.

    Example
    -------
    >>> rms(add_gaussian(torch.zeros(16000), sigma=0.1)).round(decimals=2)
    tensor(0.1000)
    """
    noise = torch.randn(waveform.shape, generator=generator)
    return waveform + sigma * noise.to(waveform.device)


def reverberate(waveform: Tensor, response: Tensor) -> Tensor:
    """Add the reverberation of a room, at the same level.

    ``y[t] = c sum_s h[s] x[t + d - s]``: the direct path, the response's largest sample
    ``d = argmax |h|``, delays nothing; ``c`` makes ``rms(y) = rms(x)``. What still
    sounds after the last sample is cut off.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32.
    response : Tensor
        (M,) float32, the room's impulse response; of zeros, it leaves silence.

    Returns
    -------
    Tensor
        (N,) float32.

    Example
    -------
    >>> clap = torch.tensor([0.0, 1.0, 0.0, 0.0])
    >>> echo = torch.tensor([0.0, 0.0, 0.4, 0.3])
    >>> reverberate(clap, echo).round(decimals=4).abs()
    tensor([0.0000, 0.8000, 0.6000, 0.0000])
    """
    direct = int(response.abs().argmax())
    # lengths with large prime factors take ten times as long
    size = next_fast_len(len(waveform) + len(response) - 1, real=True)
    spectrum = torch.fft.rfft(waveform, size) * torch.fft.rfft(response, size)
    wet = torch.fft.irfft(spectrum, size)[direct : direct + len(waveform)]
    return wet * (rms(waveform) / rms(wet).clamp(min=_TINY))


def band_limit(waveform: Tensor, sample_rate: int = NARROWBAND) -> Tensor:
    """Keep what a lower sample rate keeps: frequencies below half of it.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32.
    sample_rate : int
        Hz; one that shares a large divisor with 16000 is fast.

    Returns
    -------
    Tensor
        (N,) float32, at 16 kHz still.

    Example
    -------
    >>> hiss = torch.tensor([1.0, -1.0]).repeat(800)
    >>> rms(band_limit(hiss)[100:-100]) < 0.01
    tensor(True)
    """
    # a steep filter: telephones pass 3400 Hz
    resample = partial(torchaudio.functional.resample, lowpass_filter_width=24)
    narrow = resample(waveform, SAMPLE_RATE, sample_rate)
    return resample(narrow, sample_rate, SAMPLE_RATE)[: len(waveform)]


def clip(waveform: Tensor, fraction: float) -> Tensor:
    """Cut off the peaks: ``y = min(max(x, -c), c)``, ``c = fraction * max |x|``.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32.
    fraction : float
        Of the highest peak, what is left of it; 0 to 1.

    Returns
    -------
    Tensor
        (N,) float32.

    Example
    -------
    >>> clip(torch.tensor([0.1, 0.4, -0.2]), fraction=0.25)
    tensor([ 0.1000,  0.1000, -0.1000])
    """
    ceiling = fraction * waveform.abs().max()
    return waveform.clamp(-ceiling, ceiling)


def apply_codec(waveform: Tensor, codec: str) -> Tensor:
    """Encode and decode, by libsndfile at its usual bit rate.

    What exceeds full scale is scaled down to be encoded, and up again.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32.
    codec : str
        Of `CODECS`.

    Returns
    -------
    Tensor
        (N,) float32, on the waveform's device; codecs themselves run on the CPU.

    Raises
    ------
    InputError
        If there is no such codec.

    Example
    -------
    >>> tone = torch.sin(torch.arange(16000) * 0.1)
    >>> error = apply_codec(tone, "mulaw") - tone
    >>> 0 < rms(error) < 0.02
    tensor(True)
    """
    if codec == "narrowband":
        return band_limit(waveform)
    if codec not in _FILE_CODECS:
        raise InputError(f"codec {codec!r}: unknown; choose from {', '.join(CODECS)}")
    peak = waveform.abs().max().clamp(min=1)
    file = io.BytesIO()
    samples = (waveform / peak).cpu().numpy()
    soundfile.write(file, samples, SAMPLE_RATE, **_FILE_CODECS[codec]._asdict())
    file.seek(0)
    decoded, _ = soundfile.read(file, dtype="float32")
    return peak * torch.from_numpy(decoded).to(waveform.device)


def change_speed(waveform: Tensor, factor: float) -> Tensor:
    """Play faster or slower, pitch and tempo together: ``y(t) = x(factor * t)``.

    Arguments
    ---------
    waveform : Tensor
        (N,) float32.
    factor : float
        Above 1 is faster; in hundredths.

    Returns
    -------
    Tensor
        (N / factor,) float32, rounded up.

    Example
    -------
    >>> change_speed(torch.zeros(1100), factor=1.1).shape
    torch.Size([1000])
    """
    ratio = Fraction(round(100 * factor), 100)
    return torchaudio.functional.resample(waveform, ratio.numerator, ratio.denominator)
