"""Pauses, reverberation, noise and codecs for training, drawn at random."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from lact_modules.data.corruption import CODECS, add_noise, apply_codec, reverberate
from lact_modules.data.source.audio_folder import AudioFolder
from lact_modules.errors import InputError
from lact_modules.training.augmentation.pauses import Pauses

Step = tuple[float, Callable[[Tensor], Tensor]]
"""A share of the utterances, and what it does to one."""

# chance of each pause in a batch that has any
_PROB_WITHIN_BATCH = 0.8


class WaveformAugmenter:
    """Add pauses, reverberation and noise to utterances, and apply codecs at the end.

    Each utterance draws its own from torch's global generator on the CPU, so
    `torch.manual_seed` decides them; whether there are pauses is drawn for the batch,
    which one long utterance makes as long: some batches have many, the others none.
    Pauses make an utterance longer; all else leaves lengths and alignment as they are.

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
    pause_prob : float
        Chance of a pause before, in and after an utterance, each, over all batches; see
        `Pauses`.
    pause_seconds : Sequence[float]
        Shortest and longest pause, above 0.

    Raises
    ------
    InputError
        If an argument is wrong, or a folder holds no audio.
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
        pause_prob: float = 0.0,
        pause_seconds: Sequence[float] = (0.1, 6.0),
    ):
        self.noise_snr_db = _check_range("noise_snr_db", noise_snr_db)
        self.codecs = _check_codecs(codecs)
        self.pause_prob = _check_share("pause_prob", pause_prob)
        # within a batch that has pauses
        prob = max(_PROB_WITHIN_BATCH, pause_prob)
        self.pauses = Pauses(prob, _check_pauses(pause_seconds))
        self.steps: list[Step] = []
        if rir_folder is not None:
            self.rooms = AudioFolder(rir_folder)
            self.steps.append((_check_share("rir_prob", rir_prob), self._add_room))
        if noise_folder is not None:
            self.noises = AudioFolder(noise_folder)
            self.steps.append((_check_share("noise_prob", noise_prob), self._add_noise))
        if codecs:
            self.steps.append((_check_share("codec_prob", codec_prob), self._encode))

    def __call__(
        self, signals: Tensor, lengths: Tensor, num_views: int = 1
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch; return (V B, N'), padded with 0, and (V B,) samples.

        The V views of an utterance have the same pauses; all else is drawn for each.
        One view is what was given if all is off.
        """
        if not (self.pause_prob or self.steps):
            if num_views == 1:
                return signals, lengths
            return signals.repeat(num_views, 1), lengths.repeat(num_views)
        waveforms = [
            signal[:length]
            for signal, length in zip(signals, lengths.tolist(), strict=True)
        ]
        if torch.rand(()).item() < self.pause_prob / self.pauses.prob:
            waveforms = [*map(self.pauses, waveforms)]
        augmented = [self._augment(each) for each in waveforms * num_views]
        padded = pad_sequence(augmented, batch_first=True)
        # as wide as it was, if nothing has become longer
        missing = max(0, signals.shape[1] - padded.shape[1])
        return pad(padded, (0, missing)), lengths.new_tensor([*map(len, augmented)])

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


def _check_share(key: str, value: float) -> float:
    if not (isinstance(value, (int, float)) and 0 <= value <= 1):
        raise InputError(f"{key}: {value!r} is no probability; give one from 0 to 1")
    return value


def _check_pauses(value: Sequence[float]) -> tuple[float, float]:
    shortest, longest = _check_range("pause_seconds", value)
    if not 0 < shortest <= longest < math.inf:
        raise InputError(
            f"pause_seconds: {value!r}; give seconds above 0, as in [0.1, 6.0]"
        )
    return shortest, longest


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
