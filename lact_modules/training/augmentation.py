"""Rooms, noise and codecs for training, drawn anew for each utterance."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lact_modules.data.audio_folder import AudioFolder
from lact_modules.data.corruption import CODECS, add_noise, apply_codec, reverberate
from lact_modules.errors import InputError


class WaveformAugmenter:
    """Put utterances into a room, noise over them, and a codec at the end.

    Each utterance draws its own from torch's global generator on the CPU, so
    `torch.manual_seed` decides them. Lengths and alignment stay.

    Arguments
    ---------
    noise_folder : str | None
        Recorded noises, see `AudioFolder`; no noise if None.
    noise_snr_db : Sequence[float]
        Lowest and highest signal-to-noise ratio in decibels.
    noise_prob : float
        Share of the utterances that get noise.
    rir_folder : str | None
        Impulse responses of rooms; no rooms if None.
    rir_prob : float
        Share of the utterances that are put into a room.
    codecs : Sequence[str]
        Of `CODECS`, all as likely; none if empty.
    codec_prob : float
        Share of the utterances that go through a codec.

    Raises
    ------
    InputError
        If an argument is wrong, or a folder holds no audio.

    Example
    -------
    >>> augment = WaveformAugmenter(codecs=["narrowband"], codec_prob=1.0)
    >>> signals, lengths = torch.randn(2, 8000), torch.tensor([8000, 5000])
    >>> augmented = augment(signals, lengths)
    >>> augmented.shape, augmented[1, 5000:].abs().max()
    (torch.Size([2, 8000]), tensor(0.))
    """

    def __init__(
        self,
        noise_folder: str | None = None,
        noise_snr_db: Sequence[float] = (0, 15),
        noise_prob: float = 0.5,
        rir_folder: str | None = None,
        rir_prob: float = 0.5,
        codecs: Sequence[str] = (),
        codec_prob: float = 0.5,
    ):
        self.noise_snr_db = _check_range("noise_snr_db", noise_snr_db)
        self.codecs = _check_codecs(codecs)
        self.steps: list[tuple[float, Callable[[Tensor], Tensor]]] = []
        if rir_folder is not None:
            self.rooms = AudioFolder(rir_folder)
            self.steps.append((_check_share("rir_prob", rir_prob), self._add_room))
        if noise_folder is not None:
            self.noises = AudioFolder(noise_folder)
            self.steps.append((_check_share("noise_prob", noise_prob), self._add_noise))
        if codecs:
            self.steps.append((_check_share("codec_prob", codec_prob), self._encode))

    def __call__(self, signals: Tensor, lengths: Tensor) -> Tensor:
        """Augment a batch.

        Arguments
        ---------
        signals : Tensor
            (B, N) float32, padded.
        lengths : Tensor
            (B,) samples, int64.

        Returns
        -------
        Tensor
            (B, N) float32, padded with 0; `signals` itself if all is off.
        """
        if not self.steps:
            return signals
        augmented = torch.zeros_like(signals)
        for i, length in enumerate(lengths.tolist()):
            augmented[i, :length] = self._augment(signals[i, :length])
        return augmented

    def _augment(self, waveform: Tensor) -> Tensor:
        for share, step in self.steps:
            if torch.rand(()) < share:
                waveform = step(waveform)
        return waveform

    def _add_room(self, waveform: Tensor) -> Tensor:
        return reverberate(waveform, self.rooms.draw().to(waveform.device))

    def _add_noise(self, waveform: Tensor) -> Tensor:
        low, high = self.noise_snr_db
        snr_db = low + (high - low) * torch.rand(()).item()
        noise = self.noises.draw(max_samples=len(waveform))
        return add_noise(waveform, noise.to(waveform.device), snr_db)

    def _encode(self, waveform: Tensor) -> Tensor:
        return apply_codec(waveform, self.codecs[torch.randint(len(self.codecs), ())])


def make_augmenter(hparams: Any) -> WaveformAugmenter:
    """Make the augmenter that the settings of a recipe ask for.

    Arguments
    ---------
    hparams : Any
        Has the arguments of `WaveformAugmenter` as attributes.

    Returns
    -------
    WaveformAugmenter
        Checked.
    """
    return WaveformAugmenter(
        noise_folder=hparams.noise_folder,
        noise_snr_db=hparams.noise_snr_db,
        noise_prob=hparams.noise_prob,
        rir_folder=hparams.rir_folder,
        rir_prob=hparams.rir_prob,
        codecs=hparams.codecs,
        codec_prob=hparams.codec_prob,
    )


def _check_share(key: str, value: float) -> float:
    if not (isinstance(value, (int, float)) and 0 <= value <= 1):
        raise InputError(f"{key}: {value!r} is no probability; give one from 0 to 1")
    return value


def _check_range(key: str, value: Sequence[float]) -> tuple[float, float]:
    try:
        low, high = map(float, value)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not low <= high:
        raise InputError(
            f"{key}: {value!r} is no range; give the lowest and the highest, [0, 15]"
        )
    return low, high


def _check_codecs(names: Sequence[str]) -> list[str]:
    is_list = isinstance(names, Sequence) and not isinstance(names, str)
    if not (is_list and all(name in CODECS for name in names)):
        raise InputError(
            f"codecs: {names!r} is no list of codecs; choose from {', '.join(CODECS)}"
        )
    return list(names)
