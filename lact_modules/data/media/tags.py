"""Tags before, between or behind files: ID3, APE."""

import re

from lact_modules.data.media.byte_range import ByteRange


def skip_tags(source: ByteRange, position: int) -> int:
    """Return the next byte, at most the end, that belongs to no tag."""
    while position < len(source):
        head = source.peek(position, 32)
        # the version distinguishes it from a chunk of a WAV
        if re.match(rb"ID3[\x02-\x04][^\xff].[\x00-\x7f]{4}", head, re.DOTALL):
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte
            position += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head.startswith(b"TAG"):
            position += 128
        elif head.startswith(b"APETAGEX"):
            position += 32 + int.from_bytes(head[12:16], "little")
        else:
            return position
    return len(source)
