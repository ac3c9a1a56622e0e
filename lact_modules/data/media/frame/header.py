"""The header of a frame, in a stream that has no other."""

from typing import NamedTuple


class FrameHeader(NamedTuple):
    """How long a frame is, and to which stream it belongs.

    Arguments
    ---------
    size : int
        Bytes of the frame, the header's included.
    kind : tuple[int, ...]
        Codes of the codec, the sample rate and the channels, which do not change within
        a stream.
    """

    size: int
    kind: tuple[int, ...]
