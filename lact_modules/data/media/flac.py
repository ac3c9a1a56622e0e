"""FLAC (RFC 9639): how much is announced, and how much there is."""

import re
from functools import reduce

from lact_modules.data.media.byte_range import ByteRange

SIGNATURE = rb"fLaC[\x00\x80]\x00\x00\x22"
"""With the header of the block that must come first."""

# No frame of usual settings is larger; one that is makes no difference but time.
_TAIL = 1 << 17

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
        Samples up to its end, 0 if no frame was found; chance may imitate one, rarely.
    """
    fixed_size = int.from_bytes(source.peek(8, 2), "big")
    tail = source.peek(max(0, len(source) - _TAIL), _TAIL)
    ends = (
        _read_end(tail[m.start() : m.start() + 16], fixed_size)
        for m in _FRAME.finditer(tail)
    )
    return max((end for end in ends if end), default=0)


def _read_end(header: bytes, fixed_size: int) -> int:
    """Give the number of samples up to a frame's end, 0 if this is no frame."""
    code = header[2] >> 4
    # as in UTF-8, but up to 36 bits
    ones = len(f"{header[4]:08b}".split("0")[0])
    length = max(1, ones)
    if ones == 1 or ones == 8 or not code:
        return 0
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
        return 0
    is_variable = header[1] & 1
    return (number if is_variable else number * fixed_size) + size


def _crc8(data: bytes) -> int:
    def step(crc: int, byte: int) -> int:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
        return crc

    return reduce(step, data, 0)
