"""What a server grants its clients."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that keep a client from what belongs to the others.

    Arguments
    ---------
    max_clients : int
        Streams at once; others are refused.
    max_seconds : float
        How long a stream may last, in audio and on the clock.
    idle_seconds : float
        How long a client may be silent.
    request_seconds : int
        How long a connection may be open without a request.
    send_seconds : float
        How long a client may leave an answer unread.
    max_frame_bytes : int
        Size of one WebSocket message.
    queue_seconds : float
        Audio that waits for the recognizer; beyond it, reading pauses.
    """

    max_clients: int = 8
    max_seconds: float = 3600.0
    idle_seconds: float = 30.0
    request_seconds: int = 10
    send_seconds: float = 10.0
    max_frame_bytes: int = 2**20
    queue_seconds: float = 4.0
