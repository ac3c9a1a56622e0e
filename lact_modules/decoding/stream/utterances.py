"""Cut a stream's text into utterances."""

from typing import Any, NamedTuple

from torch import Tensor

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.stream.endpoint import (
    Endpoint,
    PartialHypothesis,
    StreamDecoder,
)


class UtteranceState(NamedTuple):
    """The current utterance: frames of the stream before it, the decoder's state."""

    start: int
    decoding: Any


class UtteranceDecoder:
    """Decode a stream, each utterance anew.

    Arguments
    ---------
    decoder : StreamDecoder
        Of one utterance.
    endpoint : Endpoint
        When it is over, which is asked after each call.
    frame_rate : float
        Frames a second.

    Example
    -------
    >>> import torch
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> from lact_modules.decoding.stream.greedy import GreedyStream
    >>> greedy = GreedyStream(Vocabulary.from_texts(["HI"]), frame_rate=10.0)
    >>> decoder = UtteranceDecoder(greedy, Endpoint(silence=0.15), frame_rate=10.0)
    >>> frames = torch.nn.functional.one_hot(torch.tensor([2, 0, 0, 3, 0, 0])).log()
    >>> state, ended = decoder.start(), []
    >>> for piece in frames.split(3):
    ...     state, hypothesis = decoder.accept(piece, state)
    ...     ended.append(hypothesis.words)
    >>> ended
    [(Word(word='H', start=0.0, end=0.1),), (Word(word='I', start=0.3, end=0.4),)]
    """

    def __init__(self, decoder: StreamDecoder, endpoint: Endpoint, frame_rate: float):
        self.decoder, self.endpoint, self.frame_rate = decoder, endpoint, frame_rate

    def start(self, num_frames: int = 0) -> UtteranceState:
        """Return the state after so many frames of the stream."""
        return UtteranceState(num_frames, self.decoder.start(num_frames))

    def accept(
        self, log_probs: Tensor, state: UtteranceState
    ) -> tuple[UtteranceState, Hypothesis | None]:
        """Continue with frames (T, V); return the utterance if over, with words."""
        decoding = self.decoder.accept(log_probs, state.decoding)
        stable, open_words = self.decoder.words(decoding)
        start, now = state.start, decoding.num_frames
        if not self.endpoint.is_reached(
            (*stable, *open_words), start / self.frame_rate, now / self.frame_rate
        ):
            return UtteranceState(start, decoding), None
        return self.start(now), self._finish(decoding)

    def words(self, state: UtteranceState) -> PartialHypothesis:
        """Return the hypothesis so far of the current utterance."""
        return self.decoder.words(state.decoding)

    def finish(self, state: UtteranceState) -> Hypothesis | None:
        """Return the last utterance, if it has words."""
        return self._finish(state.decoding)

    def fork(self) -> "UtteranceDecoder":
        """Return another one for another stream, which shares what is large."""
        return UtteranceDecoder(self.decoder.fork(), self.endpoint, self.frame_rate)

    def _finish(self, decoding: Any) -> Hypothesis | None:
        hypothesis = self.decoder.finish(decoding)
        return hypothesis if hypothesis.words else None
