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

    Arguments
    ---------
    folder : str | Path
        Searched with its subfolders. Files may have any rate that soundfile reads;
        channels are averaged.

    Raises
    ------
    InputError
        If there is no such folder, or no audio in it.

    Example
    -------
    >>> import tempfile, soundfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "hum.wav", torch.zeros(24000).numpy(), 8000)
    >>> AudioFolder(folder).draw(max_samples=16000).shape
    torch.Size([16000])
    """

    def __init__(self, folder: str | Path):
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder; give one with audio files")
        self.folder = Path(folder)
        self.files = collect_audio([str(folder)])

    def find(self, name: str) -> Path:
        """Return one of the files.

        Arguments
        ---------
        name : str
            Its path within the folder, or its number from 0 in the order of paths.

        Returns
        -------
        Path
            Of `files`.

        Raises
        ------
        InputError
            If there is none.
        """
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
        """Read a file, each being as likely as the others.

        Arguments
        ---------
        max_samples : int | None
            Of a longer recording only so many are read, from a random place on; None
            reads all.
        generator : torch.Generator | None
            Of the CPU; torch's global one if None.

        Returns
        -------
        Tensor
            (M,) float32 at 16 kHz, M at most `max_samples`.

        Raises
        ------
        InputError
            If the file cannot be read.
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
