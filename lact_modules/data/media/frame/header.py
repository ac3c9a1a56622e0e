"""The header of a frame, in a stream that has no other."""

from typing import NamedTuple


class FrameHeader(NamedTuple):
    """Bytes of a frame, its header's included, and the stream's kind.

    That is codes of the codec, the sample rate and the channels.
    """

    size: int
    kind: tuple[int, ...]
