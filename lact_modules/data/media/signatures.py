"""Files joined end to end, told apart by what each begins with."""

from collections.abc import Iterator

from lact_modules.data.media.byte_range import ByteRange, keep_found
from lact_modules.data.media.flac import SIGNATURE as FLAC

MATROSKA = rb"\x1a\x45\xdf\xa3.{0,40}(?:webm|matroska)"
"""WebM too; the document's type stands near the beginning."""

AMR = rb"#!AMR(?:-WB)?\n"


def split_flac(source: ByteRange) -> Iterator[ByteRange]:
    """Find the parts of joined FLAC files.

    Arguments
    ---------
    source : ByteRange
        Begins with FLAC's.

    Yields
    ------
    ByteRange
        A whole file, and perhaps tags behind it; all of `source` if it is one.
    """
    yield from source.split(_find_flac(source))


@keep_found
def _find_flac(source: ByteRange) -> list[int]:
    return [0, *source.find(FLAC, 1)]


def split_at(source: ByteRange, signature: bytes) -> Iterator[ByteRange]:
    """Find the parts that begin with a signature.

    Arguments
    ---------
    source : ByteRange
        Begins with it.
    signature : bytes
        A regular expression that audio does not match by chance.

    Yields
    ------
    ByteRange
        A whole file; all of `source` if it is one.
    """
    yield from source.split([0, *source.find(signature, 1)])


def split_atoms(source: ByteRange) -> Iterator[ByteRange]:
    """Find the parts of joined MPEG-4 files: each begins with its type, ``ftyp``.

    Arguments
    ---------
    source : ByteRange
        Begins with such an atom.

    Yields
    ------
    ByteRange
        A whole file; all of `source` if it is one.
    """
    starts, position = [0], 0
    while len(header := source.peek(position, 16)) == 16:
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        if header[4:8] == b"ftyp" and position:
            starts.append(position)
        # 0: to the end
        if size < 8:
            break
        position += size
    yield from source.split(starts)
