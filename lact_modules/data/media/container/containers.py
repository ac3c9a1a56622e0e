"""Files whose structure defines their end, so that others may follow."""

import math
import re
from collections.abc import Callable

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.signatures import name_kind

_EBML = 0x1A45DFA3
# segments and clusters, which are entered, and their content
_ELEMENTS = {0x18538067, 0x1F43B675, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B}
_ELEMENTS |= {0x1254C367, 0x1043A770, 0x1941A469, 0xEC, 0xBF}
_ELEMENTS |= {0xE7, 0xA3, 0xA0, 0xAB, 0xA7, 0x5854, 0xAF}

# Bytes behind the first of a frame, by its mode; 14 and 15 hold no sound.
_AMR_SIZES = dict(enumerate((12, 13, 15, 17, 19, 20, 26, 31, 5))) | {15: 0}
_AMR_WB_SIZES = dict(enumerate((17, 23, 32, 36, 40, 46, 50, 58, 60, 5)))
_AMR_WB_SIZES |= {14: 0, 15: 0}

# Bytes that are read at once.
_WINDOW = 1 << 18


def find_atoms_end(source: ByteRange) -> int:
    """Pass over the atoms of an MPEG-4 file, of which ``ftyp`` is the first."""

    def read(position: int) -> int:
        header = source.peek(position, 16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        is_type = len(header) > 7 and all(32 <= byte < 127 for byte in header[4:8])
        # 0: to the end
        return 0 if not is_type else size or len(source)

    return _walk(source, read)


def find_chunks_end(source: ByteRange) -> int:
    """Pass over the chunks of a video: RIFF, perhaps several."""

    def read(position: int) -> int:
        header = source.peek(position, 12)
        is_chunk = header.startswith(b"RIFF") and header[8:11] == b"AVI"
        return 8 + int.from_bytes(header[4:8], "little") if is_chunk else 0

    return _walk(source, read)


def _walk(source: ByteRange, read: Callable[[int], int]) -> int:
    """Add up sizes until there is none, or another file begins."""
    position = 0
    while position < len(source) and (size := read(position)) > 7:
        if position and name_kind(source, position):
            break
        position += size
    return min(position, len(source))


def find_elements_end(source: ByteRange) -> int:
    """Skip the elements of a Matroska file, also of unknown sizes."""
    position = 0
    while header := source.peek(position, 12):
        name_size = _count_bytes(header)
        name, rest = int.from_bytes(header[:name_size], "big"), header[name_size:]
        size_size = _count_bytes(rest)
        # without the bit that marks the number of its bytes
        unknown = (1 << 7 * size_size) - 1
        size = int.from_bytes(rest[:size_size], "big") & unknown
        if name not in _ELEMENTS and (position or name != _EBML):
            break
        position += name_size + size_size + (0 if size == unknown else size)
    return min(position, len(source))


def _count_bytes(number: bytes) -> int:
    """Return how many bytes a number of EBML takes."""
    return 9 - number[0].bit_length() if number else 0


def find_amr_end(source: ByteRange) -> int:
    """Pass over the frames of AMR, behind its signature."""
    head = source.peek(0, 9)
    position = head.index(b"\n") + 1
    sizes = _AMR_WB_SIZES if head.startswith(b"#!AMR-WB") else _AMR_SIZES
    data, base = b"", position
    while position < len(source):
        if position - base >= len(data):
            data, base = source.peek(position, _WINDOW), position
        first = data[position - base]
        # bits that are always 0
        size = sizes.get(first >> 3 & 15)
        if first & 0x83 or size is None:
            break
        position += 1 + size
    return min(position, len(source))


def find_nist_end(source: ByteRange) -> int:
    """Add up the samples of a SPHERE file, which should end there, or behind the file.

    0 if compression keeps that from being known.
    """
    head = source.peek(0, 1024)
    fields = dict(re.findall(rb"(\w+) -i (\d+)", head))
    names = (b"sample_count", b"channel_count", b"sample_n_bytes")
    size = re.match(rb"NIST_1A\n *(\d+)\n", head)
    if b"embedded" in head or size is None or not all(name in fields for name in names):
        return 0
    return int(size[1]) + math.prod(int(fields[name]) for name in names)
