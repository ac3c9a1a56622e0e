"""A mel spectrogram of products alone, for formats of graphs that know no FFT."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d
from torchaudio.transforms import MelSpectrogram


class MelProducts(nn.Module):
    """What a `MelSpectrogram` computes, by a convolution with waves of each frequency.

    Arguments
    ---------
    mel : MelSpectrogram
        Of powers, without centring and normalization.

    Example
    -------
    >>> mel = MelSpectrogram(16000, 512, 400, 160, n_mels=80, center=False)
    >>> samples = torch.randn(2, 1600)
    >>> torch.allclose(MelProducts(mel)(samples), mel(samples), rtol=1e-4, atol=1e-4)
    True
    """

    waves: Tensor
    bands: Tensor

    def __init__(self, mel: MelSpectrogram):
        super().__init__()
        self.n_fft, self.hop = mel.n_fft, mel.hop_length
        window = mel.spectrogram.window
        # samples of a frame that the window does not hide
        self.first = (mel.n_fft - len(window)) // 2
        samples = torch.arange(self.first, self.first + len(window)).double()
        bands = mel.mel_scale.fb.T
        # frequencies that no band hears are left out
        heard = bands.any(0).nonzero()[:, 0]
        angles = 2 * math.pi / mel.n_fft * heard[:, None] * samples
        waves = torch.cat([angles.cos(), angles.sin()]) * window
        self.register_buffer("waves", waves.float()[:, None], persistent=False)
        self.register_buffer("bands", bands[:, heard], persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Map (B, N) samples to the bands' powers (B, M, T) of all whole frames."""
        last = self.first + self.waves.shape[-1] - self.n_fft
        # (B, N) -> (B, 2 F, T)
        spectrum = conv1d(
            waveform[:, None, self.first : last or None], self.waves, stride=self.hop
        )
        cosine, sine = spectrum.chunk(2, dim=1)
        # ONNX has a square as a power, which takes several times as long
        return self.bands @ (cosine * cosine + sine * sine)
