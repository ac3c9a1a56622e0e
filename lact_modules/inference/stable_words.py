"""Give each word of a stream once, when nothing changes it any more."""

from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.inference.streaming import StreamingRecognizer


class StableWords:
    """Take from a recognizer what is new, in place of its own `take`.

    Arguments
    ---------
    recognizer : StreamingRecognizer
        Anywhere in its stream; its stable words so far count as given.
    """

    def __init__(self, recognizer: StreamingRecognizer):
        self._recognizer = recognizer
        self._num_given = len(recognizer.heard.stable)

    def take(self) -> tuple[tuple[Hypothesis, ...], list[Word]]:
        """Give what is new since the call before.

        Returns
        -------
        ended : tuple[Hypothesis, ...]
            Utterances that are over.
        words : list[Word]
            Those that have become stable, in these and in the one that goes on.
        """
        ended, stable = self._recognizer.take(), self._recognizer.heard.stable
        # the first utterance that ended begins with the words that were stable before
        said = [*(word for utterance in ended for word in utterance.words), *stable]
        new = said[self._num_given :]
        self._num_given = len(stable)
        return ended, new
