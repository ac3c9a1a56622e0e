"""Choose the decoder of a file, and of each of the files that are joined in it."""

import re
from collections.abc import Callable, Iterator

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.container import chunks, containers, flac, ogg
from lact_modules.data.media.decode.ffmpeg import FFmpegDecoder
from lact_modules.data.media.decode.mpeg import open_mpeg
from lact_modules.data.media.decode.sndfile import SndfileDecoder
from lact_modules.data.media.decoder import Decoder, DecodingError
from lact_modules.data.media.files import find_parts
from lact_modules.data.media.frame.frames import PARSERS, split_frames
from lact_modules.data.media.tags import skip_tags

_REST = "{} bytes behind its {} cannot be decoded and are skipped"

Warn = Callable[[str], None]


def open_parts(source: ByteRange, warn: Callable[[str], None]) -> Iterator[Decoder]:
    """Open the parts of a file one after the other; most files have one.

    Files joined end to end, also of different kinds, are read in turn, each with its
    own sample rate and channels; each has to be read before the next is requested.
    libsndfile decodes files with a correct length, FFmpeg the rest. `warn` is called
    for faults that do not prevent decoding, and for bytes that are skipped.
    """
    parts = find_parts(source)
    for number, part in enumerate(parts):
        # what follows is not for decoders, but for a frame that is cut off
        end = part.end if part.kind in PARSERS else part.stop
        is_whole = part.start == 0 and end == len(source)
        data = source if is_whole else source.narrow(part.start, end)
        decoders = (
            _open_lead(data, warn)
            if part.kind is None and number == 0 and len(parts) > 1
            else _open_part(data, part.kind, warn)
        )
        yield from decoders
        if part.gap:
            warn(f"{part.gap} bytes within it are no {part.kind} and are skipped")
        if part.rest:
            warn(_REST.format(part.rest, part.kind))


def _open_part(source: ByteRange, kind: str | None, warn: Warn) -> Iterator[Decoder]:
    if kind in ("WAV", "W64", "AIFF", "CAF", "AU"):
        yield _open_samples(chunks.correct_size(source, warn))
    elif kind == "Ogg":
        if not ogg.is_complete(source):
            warn("ends without its last page: perhaps it was cut off")
        yield _open_any(source)
    elif kind == "FLAC":
        yield _open_flac(source, warn)
    elif kind == "MP3":
        yield from open_mpeg(source)
    elif kind in PARSERS:
        yield from map(FFmpegDecoder, split_frames(source, PARSERS[kind]))
    elif kind in ("AMR", "AVI", "Matroska", "MPEG-4"):
        yield FFmpegDecoder(source)
    else:
        missing = (
            containers.find_nist_end(source) - len(source) if kind == "NIST" else 0
        )
        if missing > 0:
            raise DecodingError(f"truncated: {missing} bytes of samples are missing")
        yield from _open_unknown(source)


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


def _open_flac(source: ByteRange, warn: Warn) -> Decoder:
    announced, last = flac.announced_samples(source), flac.find_last_frame(source)
    if last.end and (rest := len(source) - skip_tags(source, last.end)):
        warn(_REST.format(rest, "FLAC"))
    # libsndfile stops at the length in the header, or does not start
    if not announced or last.last_sample > announced:
        decoder = FFmpegDecoder(source, "flac")
        if announced:
            warn(f"its header announces {announced} samples; it holds more, all read")
        return decoder
    return SndfileDecoder(source)


def _open_lead(source: ByteRange, warn: Warn) -> Iterator[Decoder]:
    """Open the bytes before the first file of a known kind."""
    try:
        decoders = [*_open_unknown(source)]
    except DecodingError:
        warn(f"{len(source)} bytes before its sound are no audio and are skipped")
        return
    yield from decoders


def _open_unknown(source: ByteRange) -> Iterator[Decoder]:
    """Open a file that its first bytes do not identify."""
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
        yield from open_mpeg(source)
    else:
        yield decoder
