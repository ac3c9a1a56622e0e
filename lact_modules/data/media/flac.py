"""FLAC (RFC 9639): how much is announced, and how much there is."""

import re
from functools import reduce

from lact_modules.data.media.byte_range import ByteRange

SIGNATURE = rb"fLaC[\x00\x80]\x00\x00\x22"
"""With the header of the block that must come first."""

# Two frames of usual settings are no larger; where they are, the header is believed.
_TAIL = 1 << 18

_FRAME = re.compile(rb"\xff[\xf8\xf9][^\x0f].", re.DOTALL)
# by the code in a frame's header; 6 and 7 stand for what follows
_BLOCK_SIZES = [0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << n for n in range(8))]


def announced_samples(source: ByteRange) -> int:
    """Read from the header how many samples there are, 0 if it does not know.

    Arguments
    ---------
    source : ByteRange
        Begins with `SIGNATURE`.

    Returns
    -------
    int
        Of each channel.
    """
    # the last 36 bits before the checksum
    return int.from_bytes(source.peek(21, 5), "big") & (1 << 36) - 1


def find_last_sample(source: ByteRange) -> int:
    """Look from the end for a frame, and read which samples it holds.

    Arguments
    ---------
    source : ByteRange
        Begins with `SIGNATURE`.

    Returns
    -------
    int
        Samples up to its end, 0 if no frame was found.
    """
    fixed_size = int.from_bytes(source.peek(8, 2), "big")
    tail = source.peek(max(0, len(source) - _TAIL), _TAIL)
    spans = [
        _read_span(tail[m.start() : m.start() + 16], fixed_size)
        for m in _FRAME.finditer(tail)
    ]
    # samples may imitate a frame, and its checksum of 8 bits, but not the one before
    ends = {0, *(end for _, end in spans)}
    return max((end for first, end in spans if first in ends), default=0)


def _read_span(header: bytes, fixed_size: int) -> tuple[int, int]:
    """Give a frame's first sample and the one behind it; zeros if this is no frame."""
    code = header[2] >> 4
    # as in UTF-8, but up to 36 bits
    ones = len(f"{header[4]:08b}".split("0")[0])
    length = max(1, ones)
    if ones == 1 or ones == 8 or not code:
        return 0, 0
    number = header[4] & (0xFF >> (ones + 1))
    for byte in header[5 : 4 + length]:
        number = number << 6 | byte & 0x3F
    place = 4 + length
    size = _BLOCK_SIZES[code]
    if code in (6, 7):
        size = int.from_bytes(header[place : place + code - 5], "big") + 1
        place += code - 5
    rate_code = header[2] & 15
    place += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if len(header) <= place or _crc8(header[:place]) != header[place]:
        return 0, 0
    is_variable = header[1] & 1
    first = number if is_variable else number * fixed_size
    return first, first + size


def _crc8(data: bytes) -> int:
    def step(crc: int, byte: int) -> int:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
        return crc

    return reduce(step, data, 0)
