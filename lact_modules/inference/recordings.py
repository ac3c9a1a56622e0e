"""Audio that users of Python pass: one recording, several, or blocks of one."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.source.audio_file import Waveform
from lact_modules.data.source.waveforms import Samples, join_blocks, to_waveform
from lact_modules.errors import InputError

Recording: TypeAlias = str | Path | Samples
"""A file, or its samples."""


class Source(NamedTuple):
    """A recording that is not read yet; messages call it by its ``id``.

    ``sample_rate`` in Hz applies to arrays and tensors; files have their own.
    """

    id: str
    recording: Recording
    sample_rate: int = SAMPLE_RATE

    def __str__(self) -> str:
        return self.id

    def load(self, read: Callable[[str | Path], Waveform]) -> Waveform:
        """Load samples at the models' rate; `read` reads files."""
        if isinstance(self.recording, str | Path):
            return read(self.recording)
        return to_waveform(self.recording, self.sample_rate, self.id)


def gather(
    given: Recording | Iterable[Recording], sample_rate: int
) -> tuple[list[Source], bool]:
    """List the recordings in what a user gave; return whether it is a single one.

    An iterator of samples yields the blocks of one recording, which are joined.
    """
    if isinstance(given, str | Path | Tensor | np.ndarray):
        return [_name(0, given, sample_rate)], True
    if not isinstance(given, Iterable):
        raise InputError(f"audio: a {type(given).__name__}; give samples, or a file")
    if isinstance(given, Iterator):
        first = next(given, None)
        if first is None:
            raise InputError("audio: an empty generator; give blocks, or files")
        given = chain([first], given)
        if not isinstance(first, str | Path):
            blocks = join_blocks(cast(Iterator[Samples], given), sample_rate)
            return [Source("audio", torch.cat([*blocks]))], True
    return [
        _name(number, each, sample_rate) for number, each in enumerate(given)
    ], False


def _name(number: int, recording: Recording, sample_rate: int) -> Source:
    is_file = isinstance(recording, str | Path)
    name = str(recording) if is_file else f"audio {number}"
    return Source(name, recording, sample_rate)
