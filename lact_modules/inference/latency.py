"""Measure the latency of words: from their last sample until they are final."""

import time
from array import array
from collections.abc import Callable

import numpy as np
from torch import Tensor

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.inference.stable_words import StableWords
from lact_modules.inference.streaming import StreamingRecognizer


class LatencyMeter:
    """Run a recognizer, and measure as if the audio arrived in real time.

    The latency of a word is the time from its last sample until it is stable: waiting
    for further audio, computing, and the computing still due for earlier audio. How
    fast the samples really arrive has no influence.
    """

    def __init__(self, recognizer: StreamingRecognizer):
        self.recognizer = recognizer
        self._start = self._ready = recognizer.seconds
        self._stable = StableWords(recognizer)
        self._compute_seconds = 0.0
        self._latencies = array("d")

    def accept(self, samples: Tensor) -> tuple[Hypothesis, ...]:
        """Recognize some samples; return the utterances that end in them."""
        return self._run(lambda: self.recognizer.accept(samples))

    def finish(self) -> tuple[Hypothesis, ...]:
        """End the stream; return the last utterance."""
        return self._run(self.recognizer.finish)

    @property
    def num_words(self) -> int:
        """How many words are stable."""
        return len(self._latencies)

    @property
    def seconds(self) -> float:
        """Seconds of audio recognized so far."""
        return self.recognizer.seconds - self._start

    def report(self) -> str:
        """Summarize the measurement in lines to print."""
        factor = self._compute_seconds / self.seconds if self.seconds else 0.0
        lines = [
            f"{self.seconds:.1f} s of audio, {self.num_words} words; "
            f"real-time factor {factor:.3f}"
        ]
        if self._latencies:
            median, most = np.percentile(self._latencies, [50, 95])
            lines.append(
                f"latency of words: mean {np.mean(self._latencies):.2f} s, "
                f"p50 {median:.2f} s, p95 {most:.2f} s"
            )
        chunking = self.recognizer.chunking
        rate = self.recognizer.model.frame_rate
        size, left = chunking.size / rate, chunking.left / rate
        lines[-1] += f"; chunk {size:g} s, left context {left:g} s"
        return "\n".join(lines)

    def _run(self, recognize: Callable[[], object]) -> tuple[Hypothesis, ...]:
        started = time.perf_counter()
        recognize()
        ended, words = self._stable.take()
        seconds = time.perf_counter() - started
        self._compute_seconds += seconds
        received = self.recognizer.seconds
        self._ready = max(self._ready, received) + seconds
        self._latencies.extend(self._ready - min(word.end, received) for word in words)
        return ended
