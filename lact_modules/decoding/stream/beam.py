"""Beam search over a stream: partial words, and which of them are stable."""

from itertools import takewhile
from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.decoding.frames import valid_frames
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.search.beam_search import BeamSearch
from lact_modules.decoding.stream.endpoint import PartialHypothesis


class BeamState(NamedTuple):
    """Carried state of an utterance: (T, V) float32 of all its frames.

    `num_frames` are those of the stream so far.
    """

    log_probs: Tensor
    num_frames: int


class BeamStream:
    """Search for the best text, piece by piece; a `StreamDecoder`.

    The text and its score are those of the whole utterance. A search that is at the
    state's place continues from there; for any other state it starts again from the
    utterance's beginning, so that the state alone defines the output.

    Arguments
    ---------
    search : BeamSearch
        Of this stream alone.

    Example
    -------
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> search = BeamSearch(Vocabulary.from_texts(["HI"]), frame_rate=10.0, beam_size=5)
    >>> decoder = BeamStream(search)
    >>> frames = torch.nn.functional.one_hot(torch.tensor([0, 2, 2, 0, 3, 1])).log()
    >>> state = decoder.accept(frames[:3], decoder.start())
    >>> decoder.finish(decoder.accept(frames[3:], state)).words
    (Word(word='HI', start=0.1, end=0.5),)
    """

    def __init__(self, search: BeamSearch):
        self.search = search
        self._reached: BeamState | None = None
        self._partial: PartialHypothesis | None = None

    def start(self, num_frames: int = 0) -> BeamState:
        """Return the state before the first frame, see `StreamDecoder`."""
        return BeamState(torch.zeros(0, len(self.search.vocabulary)), num_frames)

    def accept(self, log_probs: Tensor, state: BeamState) -> BeamState:
        """Continue with frames (T, V); InputError for another V or NaN."""
        if not len(log_probs):
            return state
        frames = self._check(log_probs)
        self._go_to(state)
        self._reached = self._partial = None
        self.search.step(frames)
        self._reached = BeamState(
            torch.cat([state.log_probs, frames]), state.num_frames + len(frames)
        )
        return self._reached

    def words(self, state: BeamState) -> PartialHypothesis:
        """Return the words of the best text so far; stable are those of every text.

        Whatever frames follow, the text is one that now is in the beam, and more. The
        words with which all of these begin, at the same times, are there to stay. A
        wide beam that keeps other texts of the first word has none before its end.
        """
        if not len(state.log_probs):
            return PartialHypothesis((), ())
        self._go_to(state)
        if self._partial is None:
            prefixes = self.search.prefixes()
            same_place = zip(*(prefix.complete for prefix in prefixes), strict=False)
            agreed = takewhile(lambda words: len(set(words)) == 1, same_place)
            stable = tuple(words[0] for words in agreed)
            best = max(prefixes, key=lambda prefix: prefix.score)
            following = best.complete[len(stable) :]
            self._partial = PartialHypothesis(stable, (*following, *best.open))
        return self._partial

    def finish(self, state: BeamState) -> Hypothesis:
        """Return the best text, as `BeamDecoder` finds it in the utterance's frames."""
        self._go_to(state)
        self._reached = self._partial = None
        return self.search.end()[0]

    def fork(self) -> "BeamStream":
        """Return another one that shares the language model and the lexicon."""
        return BeamStream(self.search.fork())

    def _go_to(self, state: BeamState) -> None:
        """Put the search where a state is."""
        if state is self._reached:
            return
        self._reached = self._partial = None
        frames = self._check(state.log_probs)
        self.search.begin(state.num_frames - len(frames))
        self.search.step(frames)
        self._reached = state

    def _check(self, log_probs: Tensor) -> Tensor:
        lengths = torch.tensor([len(log_probs)])
        [frames] = valid_frames(log_probs[None], lengths, self.search.vocabulary)
        return frames
