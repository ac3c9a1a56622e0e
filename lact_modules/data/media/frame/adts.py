"""Headers of AAC frames in a bare stream, ADTS (ISO 14496-3)."""

from lact_modules.data.media.frame.header import FrameHeader


def parse_header(data: bytes) -> FrameHeader | None:
    """Read a frame's header, seven bytes; None if they begin no frame."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return None
    bits = int.from_bytes(data, "big")
    size, rate_code = bits >> 13 & 0x1FFF, bits >> 34 & 15
    # more than the header, and the checksum that there may be
    if rate_code > 12 or size <= (7 if data[1] & 1 else 9):
        return None
    return FrameHeader(size, (bits >> 38 & 3, rate_code, bits >> 30 & 7))
