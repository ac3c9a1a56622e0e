"""Choose who decodes a file, and find its parts."""

import re
from collections.abc import Callable, Iterator

from lact_modules.data.media import flac
from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.chunks import is_chunked, split_chunked
from lact_modules.data.media.decoder import Decoder, DecodingError
from lact_modules.data.media.ffmpeg import FFmpegDecoder
from lact_modules.data.media.mpeg import open_mpeg, skip_tags
from lact_modules.data.media.mpeg_header import parse_header
from lact_modules.data.media.ogg import SIGNATURE as OGG
from lact_modules.data.media.ogg import split_ogg
from lact_modules.data.media.signatures import (
    AMR,
    MATROSKA,
    split_at,
    split_atoms,
    split_flac,
)
from lact_modules.data.media.sndfile import SndfileDecoder


def open_parts(source: ByteRange, tell: Callable[[str], None]) -> Iterator[Decoder]:
    """Open the parts of a file one after the other; most files have one.

    Files joined end to end are read in turn, each with its own sample rate and
    channels. libsndfile decodes what tells its length and keeps to it, FFmpeg the rest.

    Arguments
    ---------
    source : ByteRange
        The file.
    tell : Callable[[str], None]
        Told what is odd, in a few words, where the sound can be read in spite of it.

    Yields
    ------
    Decoder
        Each is to be read before the next is asked for.

    Raises
    ------
    DecodingError
        If no decoder knows the file, or it holds less than it announces.
    """
    if start := skip_tags(source, 0):
        source = source.narrow(start)
    head = source.peek(0, 64)
    if is_chunked(head):
        yield from map(_open_samples, split_chunked(source, tell))
    elif head.startswith(OGG):
        yield from map(_open_any, split_ogg(source, tell))
    elif re.match(flac.SIGNATURE, head):
        for part in split_flac(source):
            yield _open_flac(part, tell)
    elif head[4:8] == b"ftyp":
        yield from map(FFmpegDecoder, split_atoms(source))
    elif signature := _find_signature(head):
        yield from map(FFmpegDecoder, split_at(source, signature))
    elif parse_header(head[:4]):
        yield from open_mpeg(source, tell)
    else:
        yield from _open_unknown(source, tell)


def _find_signature(head: bytes) -> bytes | None:
    matching = (each for each in (MATROSKA, AMR) if re.match(each, head, re.DOTALL))
    return next(matching, None)


def _open_any(source: ByteRange) -> Decoder:
    """Open what libsndfile knows most codecs of."""
    try:
        return SndfileDecoder(source)
    except DecodingError:
        return FFmpegDecoder(source)


def _open_samples(source: ByteRange) -> Decoder:
    """Open a file of chunks, which may hold MP3 too."""
    is_mpeg = re.search(rb"fmt .{4}[\x50\x55]\x00", source.peek(0, 4096), re.DOTALL)
    return FFmpegDecoder(source) if is_mpeg else _open_any(source)


def _open_flac(source: ByteRange, tell: Callable[[str], None]) -> Decoder:
    announced = flac.announced_samples(source)
    # libsndfile stops where the header says, or does not begin
    if not announced or flac.find_last_sample(source) > announced:
        decoder = FFmpegDecoder(source, "flac")
        if announced:
            tell(f"its header announces {announced} samples; it holds more, all read")
        return decoder
    return SndfileDecoder(source)


def _open_unknown(source: ByteRange, tell: Callable[[str], None]) -> Iterator[Decoder]:
    """Open what its first bytes do not tell."""
    # libsndfile takes this for MP3, as which it would be read wrongly
    has_sync = re.match(rb"\xff[\xe0-\xff]", source.peek(0, 2))
    if not has_sync:
        try:
            yield SndfileDecoder(source)
            return
        except DecodingError:
            pass
    decoder = FFmpegDecoder(source)
    if decoder.format == "mp3":
        yield from open_mpeg(source, tell)
    else:
        yield decoder
