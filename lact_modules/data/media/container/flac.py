"""FLAC (RFC 9639): how much is announced, how much there is, and where it ends."""

import re
from functools import reduce
from typing import NamedTuple

from lact_modules.data.media.byte_range import ByteRange, keep_found
from lact_modules.data.media.tags import skip_tags

SIGNATURE = rb"fLaC[\x00\x80]\x00\x00\x22"
"""With the header of the block that must be first."""

# Two frames of usual settings are no larger; where they are, the header is believed.
_TAIL = 1 << 18

_FRAME = re.compile(rb"\xff[\xf8\xf9][^\x0f].", re.DOTALL)
_HEADER_SIZE = 16
# by the code in a frame's header; 6 and 7 refer to what follows
_BLOCK_SIZES = [0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << n for n in range(8))]


class LastFrame(NamedTuple):
    """What ends a stream; zeros if no frame was found.

    `end` is the byte behind it, 0 if it is not whole.
    """

    last_sample: int
    end: int


def announced_samples(source: ByteRange) -> int:
    """Read from the header how many samples a channel has, 0 if it does not know."""
    # the last 36 bits before the checksum
    return int.from_bytes(source.peek(21, 5), "big") & (1 << 36) - 1


def find_first_frame(source: ByteRange) -> int:
    """Pass over the blocks before the sound: tags, pictures."""
    position, is_last = 4, False
    while not is_last and len(header := source.peek(position, 4)) == 4:
        is_last = header[0] > 127
        position += 4 + int.from_bytes(header[1:], "big")
    return min(position, len(source))


@keep_found
def find_last_frame(source: ByteRange) -> LastFrame:
    """Look from the end for a frame, and read which samples it holds.

    Chance may imitate one, rarely.
    """
    first = find_first_frame(source)
    # without "big" from Python 3.11 on alone
    fixed_size = int.from_bytes(source.peek(8, 2), "big")
    start = end = len(source)
    while start > first:
        start = max(first, end - _TAIL)
        tail = source.peek(start, end - start + _HEADER_SIZE)
        if found := _read_last(tail, fixed_size):
            last_sample, place = found
            return LastFrame(last_sample, _find_end(source, start + place))
        end = start
    return LastFrame(0, 0)


def _read_last(data: bytes, fixed_size: int) -> tuple[int, int] | None:
    """Return the last sample of the last frame among bytes, and where it begins."""
    spans = [
        (*_read_span(data[m.start() : m.start() + _HEADER_SIZE], fixed_size), m.start())
        for m in _FRAME.finditer(data)
    ]
    # samples may imitate a frame, and its checksum of 8 bits, but not the one before
    ends = {0, *(end for _, end, _ in spans)}
    return max(
        ((end, place) for first, end, place in spans if end and first in ends),
        default=None,
    )


def _find_end(source: ByteRange, start: int) -> int:
    """Return where a frame ends: where its checksum is right; 0 if nowhere."""
    ends, crc = [], 0
    for place, byte in enumerate(source.peek(start, _TAIL), start + 1):
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ byte]
        if not crc:
            ends.append(place)
    # by chance it is right elsewhere too, but hardly where the file ends
    last = [end for end in ends if skip_tags(source, end) == len(source)]
    return next(iter(last or ends), 0)


def _read_span(header: bytes, fixed_size: int) -> tuple[int, int]:
    """Return a frame's first sample and the one after it; zeros if it is no frame."""
    code = header[2] >> 4
    # as in UTF-8, but up to 36 bits
    ones = len(f"{header[4]:08b}".split("0")[0]) if len(header) > 4 else 1
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
    return _crc(data, 0x07, 8)


def _crc(data: bytes, polynomial: int, num_bits: int) -> int:
    def step(crc: int, byte: int) -> int:
        crc ^= byte << num_bits - 8
        for _ in range(8):
            crc = crc << 1 ^ (polynomial if crc >> num_bits - 1 else 0)
            crc &= (1 << num_bits) - 1
        return crc

    return reduce(step, data, 0)


_CRC16 = [_crc(bytes([byte]), 0x8005, 16) for byte in range(256)]
