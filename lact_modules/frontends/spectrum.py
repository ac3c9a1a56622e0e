"""Mel spectrograms: of a short-time Fourier transform, and of products alone."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram


class MelPowers(MelSpectrogram):
    """torchaudio's mel spectrogram of powers, in half the time on a CPU.

    A power is the sum of two squares: as the square of an absolute value it takes
    longer than the transform.

    >>> options = {"n_fft": 512, "hop_length": 160, "center": False, "n_mels": 80}
    >>> samples = torch.randn(2, 1600)
    >>> powers = MelPowers(16000, **options)(samples)
    >>> torch.allclose(powers, MelSpectrogram(16000, **options)(samples), rtol=1e-4)
    True
    """

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        # complex numbers
        self.spectrogram.power = None

    def forward(self, waveform: Tensor) -> Tensor:
        """Map (B, N) samples to the bands' powers (B, M, T) of all whole frames."""
        spectrum = self.spectrogram(waveform)
        powers = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        return self.mel_scale(powers)


class MelProducts(nn.Module):
    """What a `MelSpectrogram` computes, by products with waves of each frequency.

    A power is the same wherever its waves begin. From the middle of a window, the two
    halves have the same cosines and opposite sines, so they are joined first.
    """

    cosines: Tensor
    sines: Tensor
    bands: Tensor

    def __init__(self, mel: MelSpectrogram):
        super().__init__()
        self.n_fft, self.hop = mel.n_fft, mel.hop_length
        window = mel.spectrogram.window.double()
        self.num_after = len(window) // 2
        bands = mel.mel_scale.fb.T
        # frequencies outside of all bands are dropped
        used = bands.any(0).nonzero()[:, 0]
        # samples from the middle on; that in the middle counts once
        samples = torch.arange(self.num_after).double()
        angles = 2 * math.pi / mel.n_fft * samples[:, None] * used
        weights = window[self.num_after :, None].clone()
        weights[0] /= 2
        products = {
            "cosines": angles.cos() * weights,
            "sines": angles.sin() * weights,
            "bands": bands[:, used].T,
        }
        for name, matrix in products.items():
            self.register_buffer(name, matrix.float().contiguous(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Map (B, N) samples to the bands' powers (B, M, T) of all whole frames."""
        hop, middle = self.hop, self.n_fft // 2
        num_frames = (waveform.shape[1] - self.n_fft) // hop + 1
        # shifts by which a frame's samples stand in blocks
        num_shifts = -(-(middle + self.num_after) // hop)
        samples = waveform[:, : (num_frames + num_shifts - 1) * hop]
        blocks = samples.unflatten(1, (-1, hop))

        def cut(first: int, end: int) -> Tensor:
            """Return these samples of all frames, (B, T, end - first)."""
            pieces = [
                blocks[:, i : i + num_frames, max(0, first - i * hop) : end - i * hop]
                for i in range(first // hop, -(-end // hop))
            ]
            return torch.cat(pieces, dim=-1)

        after = cut(middle, middle + self.num_after)
        before = cut(middle - self.num_after + 1, middle + 1).flip(-1)
        cosine, sine = (after + before) @ self.cosines, (after - before) @ self.sines
        # ONNX has a square as a power, which takes several times as long
        return ((cosine * cosine + sine * sine) @ self.bands).mT
