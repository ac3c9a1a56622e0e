"""Audio from a pipe: raw samples, or samples behind the header of a WAV."""

import re
from struct import Struct
from typing import BinaryIO, NamedTuple

from lact_modules.data.media.decoder import DecodingError
from lact_modules.data.media.frame.frames import PARSERS
from lact_modules.data.media.signatures import name_signature

_CHUNK, _FORMAT = Struct("<4sI"), Struct("<HHIIHH")
_PCM, _EXTENSIBLE = 1, 0xFFFE
# Bytes within which the samples of a WAV begin.
_MAX_HEADER = 1 << 20


class PcmFormat(NamedTuple):
    """How samples of 16 bits are to be read; those of several channels take turns."""

    rate: int
    num_channels: int


def name_kind(head: bytes) -> str | None:
    """Identify a file by its first 1000 bytes; None for raw samples, or unknown."""
    if kind := name_signature(head):
        return kind
    if re.match(rb"ID3[\x02-\x04]\x00", head):
        return "MP3"
    # quiet samples look like the header of a frame, but not like two
    for kind, parse in PARSERS.items():
        frame = parse(head[:7])
        following = frame and parse(head[frame.size : frame.size + 7])
        if frame and following and following.kind == frame.kind:
            return kind
    return None


def read_wav_header(head: bytes, stream: BinaryIO) -> tuple[PcmFormat, bytes]:
    """Read on to the samples of a WAV; return those that have been read, too.

    Raises DecodingError if samples are not of 16 bits, or there are none.
    """

    def need(size: int) -> None:
        nonlocal head
        if len(head) < size:
            head += stream.read(size - len(head))
        if len(head) < size or size > _MAX_HEADER:
            raise DecodingError("a WAV without samples")

    format, position = None, 12
    while True:
        need(position + _CHUNK.size)
        name, size = _CHUNK.unpack_from(head, position)
        position += _CHUNK.size
        if name == b"data":
            break
        need(position + size)
        if name == b"fmt ":
            need(position + _FORMAT.size)
            tag, channels, rate, _, _, bits = _FORMAT.unpack_from(head, position)
            if tag not in (_PCM, _EXTENSIBLE) or bits != 16 or not channels:
                raise DecodingError(
                    "a WAV whose samples are not of 16 bits; convert it, or give the "
                    "file by its name"
                )
            format = PcmFormat(rate, channels)
        position += size + size % 2
    if format is None:
        raise DecodingError("a WAV without a format")
    return format, head[position:]
