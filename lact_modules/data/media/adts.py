"""Headers of AAC frames in a bare stream, ADTS (ISO 14496-3)."""

from typing import NamedTuple


class AdtsHeader(NamedTuple):
    """What the seven bytes before a frame tell.

    Arguments
    ---------
    size : int
        Bytes of the frame, the header's included.
    profile : int
        1 is LC.
    rate_code : int
        Below 13.
    channel_code : int
        0 if the frame itself tells.
    """

    size: int
    profile: int
    rate_code: int
    channel_code: int

    @property
    def kind(self) -> tuple[int, ...]:
        """What does not change within a stream."""
        return self[1:]


def parse_header(data: bytes) -> AdtsHeader | None:
    """Read a frame's header.

    Arguments
    ---------
    data : bytes
        Seven.

    Returns
    -------
    AdtsHeader | None
        None if these bytes begin no frame.

    Example
    -------
    >>> parse_header(bytes.fromhex("fff1604016dffc"))
    AdtsHeader(size=182, profile=1, rate_code=8, channel_code=1)
    """
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
        return None
    bits = int.from_bytes(data, "big")
    size, rate_code = bits >> 13 & 0x1FFF, bits >> 34 & 15
    # more than the header, and the checksum that there may be
    if rate_code > 12 or size <= (7 if data[1] & 1 else 9):
        return None
    return AdtsHeader(size, bits >> 38 & 3, rate_code, bits >> 30 & 7)
