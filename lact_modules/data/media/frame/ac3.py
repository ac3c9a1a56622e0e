"""Headers of AC-3 and E-AC-3 frames (ATSC A/52)."""

from lact_modules.data.media.frame.header import FrameHeader

# kbit/s
_BITRATES = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160),
    *(192, 224, 256, 320, 384, 448, 512, 576, 640),
)


def parse_header(data: bytes) -> FrameHeader | None:
    """Read a frame's header, seven bytes; None if they begin no frame."""
    if len(data) < 7 or data[:2] != b"\x0b\x77":
        return None
    rate_code, version = data[4] >> 6, data[5] >> 3
    if 10 < version <= 16:
        words = ((data[2] & 7) << 8 | data[3]) + 1
        # E-AC-3, whose frames hold different channels by turns, and not fewer words
        return FrameHeader(2 * words, (1, rate_code, 0)) if words > 8 else None
    code = data[4] & 63
    if version > 10 or rate_code == 3 or code >> 1 >= len(_BITRATES):
        return None
    bitrate = _BITRATES[code >> 1]
    # 48, 44.1 and 32 kHz: 1536 samples, in words of 16 bits
    words = (2 * bitrate, 320 * bitrate // 147 + (code & 1), 3 * bitrate)[rate_code]
    return FrameHeader(2 * words, (0, rate_code, data[6] >> 5))
