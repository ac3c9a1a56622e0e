"""The protocol between a client and the server.

The client sends binary messages, signed 16-bit little-endian samples of one channel at
16 kHz, and the text ``end`` after the last of them. The server answers in JSON:

========= ==============================================================================
type      fields
========= ==============================================================================
`ready`   `sample_rate`, `max_seconds`; samples may come
`partial` `text` of the partial hypothesis, `num_stable` of its words that will not
          change, `audio_seconds` of the stream recognized so far
`final`   `text`, `words` of an utterance that ended (`word`, `start`, `end`: seconds
          in the stream), `audio_seconds`
`end`     `audio_seconds`, `real_time_factor`; no text follows
`error`   `message`: why the connection closes, if not for the client's `end`
========= ==============================================================================
"""

import json
from enum import IntEnum
from typing import Any

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.stream.endpoint import PartialHypothesis

END = "end"

Message = dict[str, Any]


class CloseCode(IntEnum):
    """Why a connection closes (RFC 6455, section 7.4)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    NOT_UNDERSTOOD = 1003
    NONE = 1005
    LOST = 1006
    NOT_SAMPLES = 1007
    LIMIT = 1008
    TOO_LARGE = 1009
    FAILED = 1011
    RESTART = 1012
    FULL = 1013


class Closed(Exception):
    """The end of a connection, with a `CloseCode` or the client's own code.

    ``reason``, for the client and the log, has at most 123 bytes.
    """

    def __init__(self, code: int, reason: str = "", by_client: bool = False):
        super().__init__(code, reason)
        self.code, self.reason, self.by_client = code, reason, by_client


def partial_message(partial: PartialHypothesis, audio_seconds: float) -> Message:
    """Describe a partial hypothesis."""
    return {
        "type": "partial",
        "text": " ".join(word.word for word in (*partial.stable, *partial.open)),
        "num_stable": len(partial.stable),
        "audio_seconds": round(audio_seconds, 3),
    }


def final_message(hypothesis: Hypothesis, audio_seconds: float) -> Message:
    """Describe an utterance that has ended."""
    words = [
        {"word": w.word, "start": round(w.start, 3), "end": round(w.end, 3)}
        for w in hypothesis.words
    ]
    return {
        "type": "final",
        "text": hypothesis.text,
        "words": words,
        "audio_seconds": round(audio_seconds, 3),
    }


def encode(message: Message) -> str:
    """Write a message as JSON without line breaks."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
