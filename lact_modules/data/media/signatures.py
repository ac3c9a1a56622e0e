"""What files of audio begin with."""

import re
from collections.abc import Iterator

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.frame.frames import find_frames, name_frames
from lact_modules.data.media.pairs import find_pairs, pair_table
from lact_modules.data.media.tags import skip_tags

# By kind; what sound does not match by chance, however long it is.
_SIGNATURES = {
    "WAV": rb"RIFF....WAVE|RIFX....WAVE|RF64....WAVE|BW64....WAVE",
    "W64": rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb",
    "AIFF": rb"FORM....AIF[FC]",
    "CAF": rb"caff\x00\x01\x00\x00",
    "AU": rb"\.snd\x00\x00.{6}\x00\x00\x00[\x01-\x1b]",
    "FLAC": rb"fLaC[\x00\x80]\x00\x00\x22",
    "Ogg": rb"OggS\x00[\x00-\x07]",
    # WebM too; the document's type is near the beginning
    "Matroska": rb"\x1a\x45\xdf\xa3.{0,40}(?:webm|matroska)",
    "MPEG-4": rb"\x00\x00..ftyp[ -~]{3}",
    "AMR": rb"#!AMR(?:-WB)?\n",
    "AVI": rb"RIFF....AVI ",
    "WMA": rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
    "FLV": rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09",
    "WavPack": rb"wvpk....[\x02-\x10]\x04",
    "TTA": rb"TTA1[\x01\x02]\x00",
    "APE": rb"MAC .[\x0e\x0f]\x00\x00",
    "DSF": rb"DSD \x1c\x00\x00\x00",
    "VOC": rb"Creative Voice File\x1a",
    "NIST": rb"NIST_1A\n",
    "IRCAM": rb"\x64\xa3[\x00-\x04]\x00",
    "PAF": rb" paf\x00\x00\x00\x00|fap \x00\x00\x00\x00",
    "AVR": rb"2BIT.{8}[\x00\xff]{2}\x00",
    "SVX": rb"FORM....8SVX|FORM....16SV",
}
_PATTERNS = {kind: re.compile(each, re.DOTALL) for kind, each in _SIGNATURES.items()}
_TAG = rb"ID3[\x02-\x04]\x00[\x00-\xf0][\x00-\x7f]{4}"
_ANY = b"|".join([*_SIGNATURES.values(), _TAG])

# How MPEG-4 continues after four bytes, and how all others begin.
_TYPE = b"ft"
_BEGINNINGS = [b"RI", b"RF", b"BW", b"ri", b"FO", b"ca", b".s", b"fL", b"Og", b"\x1aE"]
_BEGINNINGS += [b"#!", b"0&", b"FL", b"wv", b"TT", b"MA", b"DS", b"Cr", b"NI", b"d\xa3"]
_BEGINNINGS += [b" p", b"fa", b"2B", b"ID"]
_PAIRS = pair_table([_TYPE, *_BEGINNINGS])

# Bytes that identify a kind.
_HEAD = 64
# Frames in a row that are no chance.
_MIN_FRAMES = 6


def name_signature(head: bytes) -> str | None:
    """Identify a kind of file by its first 64 bytes, where these suffice."""
    return next((kind for kind, each in _PATTERNS.items() if each.match(head)), None)


def name_kind(source: ByteRange, position: int = 0) -> str | None:
    """Identify the kind of file that begins at a place, which is no tag's.

    One that has a signature, or one of bare frames: two are enough.
    """
    head = source.peek(position, _HEAD)
    return name_signature(head) or name_frames(source, position, at_least=2)


def find_file(source: ByteRange, start: int, with_frames: bool) -> int:
    """Look for the beginning of a file, or the tag before it; the end if there is none.

    The bytes may be anything; bare frames in a row may be a file too, if wanted.
    """
    signed = next(_find_signatures(source, start), len(source))
    if with_frames:
        for place in find_frames(source.narrow(0, signed), start):
            if name_frames(source, place, at_least=_MIN_FRAMES):
                return place
    return signed


def _find_signatures(source: ByteRange, start: int) -> Iterator[int]:
    search = re.compile(_ANY, re.DOTALL)
    for base, window, limit in source.windows(start):
        for place in find_pairs(window, _PAIRS):
            if window[place : place + 2] == _TYPE:
                place -= 4
            if not 0 <= place < limit or search.match(window, place) is None:
                continue
            behind_tags = skip_tags(source, base + place)
            if behind_tags == base + place or name_kind(source, behind_tags):
                yield base + place
