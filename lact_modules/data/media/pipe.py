"""Audio that comes through a pipe: raw samples, or behind the header of a WAV."""

import re
from struct import Struct
from typing import BinaryIO, NamedTuple

from lact_modules.data.media import flac
from lact_modules.data.media.decoder import DecodingError
from lact_modules.data.media.mpeg_header import parse_header
from lact_modules.data.media.signatures import AMR, MATROSKA

_KINDS = {
    "WAV": rb"(RIFF|RF64)....WAVE",
    "AIFF": rb"FORM....AIF",
    "FLAC": flac.SIGNATURE,
    "Ogg": rb"OggS\x00",
    "WebM": MATROSKA,
    "AMR": AMR,
    "MPEG-4": rb"....ftyp",
    "MP3": rb"ID3[\x02-\x04]\x00",
    "CAF": rb"caff\x00\x01",
    "AU": rb"\.snd\x00",
}

_CHUNK, _FORMAT = Struct("<4sI"), Struct("<HHIIHH")
_PCM, _EXTENSIBLE = 1, 0xFFFE
# Bytes within which the samples of a WAV begin.
_MAX_HEADER = 1 << 20


class PcmFormat(NamedTuple):
    """How samples of 16 bits, little-endian, are to be read.

    Arguments
    ---------
    rate : int
        Hz.
    num_channels : int
        Whose samples take turns.
    """

    rate: int
    num_channels: int


def name_kind(head: bytes) -> str | None:
    """Tell what kind of file begins so.

    Arguments
    ---------
    head : bytes
        The first 1000 or more, or all.

    Returns
    -------
    str | None
        None for raw samples, or what is not known.

    Example
    -------
    >>> name_kind(b"OggS" + bytes(100)), name_kind(bytes(100))
    ('Ogg', None)
    """
    for kind, signature in _KINDS.items():
        if re.match(signature, head, re.DOTALL):
            return kind
    # quiet samples look like the header of a frame, but not like two
    frame = parse_header(head[:4])
    if frame is not None:
        following = parse_header(head[frame.size : frame.size + 4])
        if following is not None and following.kind == frame.kind:
            return "MP3"
    return None


def read_wav_header(head: bytes, stream: BinaryIO) -> tuple[PcmFormat, bytes]:
    """Read on to the samples of a WAV.

    Arguments
    ---------
    head : bytes
        What has been read, from the beginning.
    stream : BinaryIO
        What follows.

    Returns
    -------
    tuple[PcmFormat, bytes]
        The format, and those samples that have been read.

    Raises
    ------
    DecodingError
        If samples are not of 16 bits, or there are none.
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
