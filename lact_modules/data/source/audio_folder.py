"""Recordings of a folder, drawn at random: noises, room responses."""

from pathlib import Path

import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.data.media.duration import audio_duration
from lact_modules.data.source.collect import collect_audio
from lact_modules.errors import InputError


class AudioFolder:
    """All audio files below a folder; each is read when it is drawn, none is kept.

    Any rate that soundfile reads will do; channels are averaged.
    """

    def __init__(self, folder: str | Path):
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder; give one with audio files")
        self.folder = Path(folder)
        self.files = collect_audio([str(folder)])

    def find(self, name: str) -> Path:
        """Return the file of a path in the folder, or of a number in their order."""
        last = len(self.files) - 1
        if name.isdecimal() and int(name) <= last:
            return self.files[int(name)]
        path = self.folder / name
        if path not in self.files:
            example = self.files[0].relative_to(self.folder)
            raise InputError(
                f"{path}: not a recording of the folder; give a path within it, such "
                f"as {example}, or a number from 0 to {last}"
            )
        return path

    def draw(
        self,
        max_samples: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Read a file, each being as likely as the others: (M,) float32 at 16 kHz.

        Of one longer than `max_samples` as many are read from a random place on. The
        generator is of the CPU; torch's global one if None.
        """
        index = torch.randint(len(self.files), (), generator=generator)
        path = self.files[index]
        if max_samples is None:
            return load_audio(path)
        wanted = max_samples / SAMPLE_RATE
        spare = audio_duration(path) - wanted
        if spare <= 0:
            return load_audio(path)[:max_samples]
        offset = spare * torch.rand((), generator=generator).item()
        return load_audio(path, offset=offset, duration=wanted)[:max_samples]
