"""Headers of MPEG audio frames: MP3, and layers I and II (ISO 11172-3, 13818-3)."""

from functools import lru_cache
from typing import NamedTuple

# kbit/s by index, of layers I, II and III in versions 1 and 2; 0 is free, 15 forbidden
_BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
# of the version's two bits: version, and the divisor of its rates; 2.5 is as 2
_VERSIONS = {3: (1, 1), 2: (2, 2), 0: (2, 4)}


class MpegHeader(NamedTuple):
    """The four bytes before a frame, whose size includes them; rate in Hz.

    `is_mpeg1` does not hold for the versions for lower sample rates.
    """

    size: int
    num_samples: int
    rate: int
    channels: int
    layer: int
    is_mpeg1: bool

    @property
    def kind(self) -> tuple[int, ...]:
        """What does not change within a stream."""
        return self[1:]


@lru_cache(maxsize=1024)
def parse_header(data: bytes) -> MpegHeader | None:
    """Read the four bytes of a header; None if they are none, or of a free bit rate."""
    if len(data) < 4 or data[0] != 0xFF or data[1] < 0xE0:
        return None
    bits = int.from_bytes(data[:4], "big")
    layer = 4 - (bits >> 17 & 3)
    index, rate_index = bits >> 12 & 15, bits >> 10 & 3
    if layer == 4 or bits >> 19 & 3 == 1 or index in (0, 15) or rate_index == 3:
        return None
    version, divisor = _VERSIONS[bits >> 19 & 3]
    # layers II and III of version 2 have the same
    bitrates = _BITRATES[version, min(layer, 2) if version == 2 else layer]
    rate = _RATES[rate_index] // divisor
    padding = bits >> 9 & 1
    bits_a_second = 1000 * bitrates[index - 1]
    if layer == 1:
        num_samples, size = 384, 4 * (12 * bits_a_second // rate + padding)
    else:
        num_samples = 576 if layer == 3 and version == 2 else 1152
        size = num_samples // 8 * bits_a_second // rate + padding
    channels = 1 if bits >> 6 & 3 == 3 else 2
    return MpegHeader(size, num_samples, rate, channels, layer, version == 1)
