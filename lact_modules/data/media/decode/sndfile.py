"""Decode by libsndfile: wav, flac, ogg and other files that have their length."""

import os
from collections.abc import Iterator

import numpy as np
import soundfile

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.container.ogg import count_last_samples
from lact_modules.data.media.decoder import BLOCK, DecodingError

# libsndfile 1.2.2 decodes some samples wrongly after it has sought
_RUN_UP_SECONDS = 1.0


class SndfileDecoder:
    """One stream that libsndfile knows; DecodingError if it does not."""

    def __init__(self, source: ByteRange):
        self._last_samples = 0
        # the head of a first page is followed by a packet that names the codec
        if b"\x01vorbis" in source.peek(0, 64):
            # before libsndfile opens the file, whose position it shares
            self._last_samples = count_last_samples(source)
        self._file = self._open(source)
        self.rate: int = self._file.samplerate
        self.num_channels: int = self._file.channels
        self.num_samples: int | None = self._file.frames

    def _open(self, source: ByteRange) -> soundfile.SoundFile:
        try:
            descriptor = source.stream.fileno() if source.is_whole else None
        except OSError:
            descriptor = None
        try:
            if descriptor is None:
                source.seek(0)
                return soundfile.SoundFile(source)
            # without callbacks into Python, which would swallow Ctrl-C
            os.lseek(descriptor, 0, os.SEEK_SET)
            return soundfile.SoundFile(descriptor, closefd=False)
        except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
            raise DecodingError(f"cannot be read as audio ({error})") from error

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yield blocks (N, C) float32 from a sample on; see `Decoder`."""
        length = self._file.frames
        if start >= length:
            return
        size = max(1, BLOCK // self.num_channels)
        position = self._find_start(start)
        try:
            if self._file.seekable():
                self._file.seek(position)
            else:
                position = 0
            while position < length:
                wanted = min(size, length - position)
                block = self._file.read(wanted, dtype="float32", always_2d=True)
                if len(block) == 0:
                    break
                before, position = position, position + len(block)
                if position > start:
                    yield block[max(0, start - before) :]
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise DecodingError(f"damaged ({error})") from error
        if position < length:
            raise DecodingError(f"truncated: {length - position} samples are missing")

    def _find_start(self, start: int) -> int:
        """Return where to begin, so that from `start` on all samples are right."""
        if self._file.format != "OGG":
            return start
        # seeking to a place within the last page of Vorbis finds another one
        start = min(start, self._file.frames - self._last_samples)
        return max(0, start - int(_RUN_UP_SECONDS * self.rate))
