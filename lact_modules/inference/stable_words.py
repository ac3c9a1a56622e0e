"""Each word of a stream once, as soon as it is final."""

from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.inference.streaming import StreamingRecognizer


class StableWords:
    """Take the new words of a recognizer, instead of its own `take`.

    Words that are stable already count as taken.
    """

    def __init__(self, recognizer: StreamingRecognizer):
        self._recognizer = recognizer
        self._num_returned = len(recognizer.partial.stable)

    def take(self) -> tuple[tuple[Hypothesis, ...], list[Word]]:
        """Return the utterances that ended and the stable words since the last call."""
        ended, stable = self._recognizer.take(), self._recognizer.partial.stable
        # the first utterance that ended begins with the words that were stable before
        words = [*(word for utterance in ended for word in utterance.words), *stable]
        new = words[self._num_returned :]
        self._num_returned = len(stable)
        return ended, new
