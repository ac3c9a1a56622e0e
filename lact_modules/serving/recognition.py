"""The messages for a client from its recognizer; runs in a thread of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.media.pcm import decode_pcm
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.serving.protocol import Message, final_message, partial_message

PROGRESS_SECONDS = 0.5
"""A client gets a message about progress at least so often."""


class Recognition:
    """Turn samples into messages, and count what that takes."""

    def __init__(self, recognizer: StreamingRecognizer):
        self._recognizer = recognizer
        self._text = ""
        self._sent_seconds = 0.0
        self.audio_seconds = 0.0
        self.compute_seconds = 0.0

    def accept(self, frame: bytes) -> list[Message]:
        """Recognize samples, which are as `decode_pcm` takes them.

        Messages are the utterances that ended, and the partial hypothesis if it changed
        or progress is due.
        """
        samples = decode_pcm(frame)
        with self._timed():
            self._recognizer.accept(samples)
        self.audio_seconds += len(samples) / SAMPLE_RATE
        messages = self._take()
        news = partial_message(self._recognizer.partial, self.audio_seconds)
        is_due = self.audio_seconds - self._sent_seconds >= PROGRESS_SECONDS
        if is_due or news["text"] != self._text:
            self._text, self._sent_seconds = news["text"], self.audio_seconds
            messages.append(news)
        return messages

    def finish(self) -> list[Message]:
        """End the stream; return the last utterances."""
        with self._timed():
            self._recognizer.finish()
        return self._take()

    def summary(self) -> Message:
        """Return a message `end` with the duration of the audio and the speed."""
        factor = self.compute_seconds / self.audio_seconds if self.audio_seconds else 0
        return {
            "type": "end",
            "audio_seconds": round(self.audio_seconds, 3),
            "real_time_factor": round(factor, 4),
        }

    def _take(self) -> list[Message]:
        return [
            final_message(hypothesis, self.audio_seconds)
            for hypothesis in self._recognizer.take()
            if hypothesis.words
        ]

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.compute_seconds += time.perf_counter() - started
