"""Greedy decoding of a stream, word by word."""

from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.data.text.vocabulary import WORD_DELIMITER, WORD_START
from lact_modules.decoding.hypothesis import Hypothesis, Word, group_words
from lact_modules.decoding.stream.endpoint import PartialHypothesis


class GreedyState(NamedTuple):
    """Carried state of an utterance.

    Arguments
    ---------
    words : tuple[Word, ...]
        Those that nothing changes any more.
    tokens : tuple[str, ...]
        Of the word that may continue.
    frames : tuple[int, ...]
        At which frame each of these began.
    last : int
        Id of the last frame's best token.
    num_frames : int
        Frames of the stream so far.
    score : float
        Log-probability of the best path.
    """

    words: tuple[Word, ...]
    tokens: tuple[str, ...]
    frames: tuple[int, ...]
    last: int
    num_frames: int
    score: float


class GreedyStream:
    """Take the best token of each frame, piece by piece; a `StreamDecoder`.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.

    Example
    -------
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> decoder = GreedyStream(Vocabulary.from_texts(["HI"]), frame_rate=10.0)
    >>> frames = torch.nn.functional.one_hot(torch.tensor([0, 2, 2, 0, 3, 1])).log()
    >>> state = decoder.accept(frames[:3], decoder.start())
    >>> [word.word for word in decoder.words(state).open]
    ['H']
    >>> decoder.finish(decoder.accept(frames[3:], state)).words
    (Word(word='HI', start=0.1, end=0.5),)
    """

    def __init__(self, vocabulary: AnyVocabulary, frame_rate: float):
        self.vocabulary, self.frame_rate = vocabulary, frame_rate

    def start(self, num_frames: int = 0) -> GreedyState:
        """Return the state before the first frame, see `StreamDecoder`."""
        return GreedyState((), (), (), last=-1, num_frames=num_frames, score=0.0)

    def accept(self, log_probs: Tensor, state: GreedyState) -> GreedyState:
        """Continue with the log-probabilities (T, V) of some frames, on any device."""
        return self.follow(*best_path(log_probs), state)

    def follow(self, scores: Tensor, best: Tensor, state: GreedyState) -> GreedyState:
        """Continue along a path: (T,) log-probabilities and ids on the CPU."""
        ids, repeats = best.unique_consecutive(return_counts=True)
        starts = repeats.cumsum(0) - repeats
        is_new = ~torch.isin(ids, torch.tensor(self.vocabulary.silent_ids))
        # the last token before continues
        is_new[:1] &= ids[:1] != state.last
        found = (self.vocabulary.tokens[i] for i in ids[is_new].tolist())
        tokens = [*state.tokens, *found]
        frames = [*state.frames, *(state.num_frames + starts[is_new]).tolist()]
        # the last word may continue, and those before it may not
        borders = (i for i, token in enumerate(tokens) if _begins_word(token))
        first = max(borders, default=0)
        done = group_words(tokens[:first], frames[:first], self.frame_rate)
        return GreedyState(
            (*state.words, *done),
            tuple(tokens[first:]),
            tuple(frames[first:]),
            int(ids[-1]) if len(ids) else state.last,
            state.num_frames + len(best),
            state.score + float(scores.sum()),
        )

    def words(self, state: GreedyState) -> PartialHypothesis:
        """Return all words; the last one may continue."""
        open_word = group_words(state.tokens, state.frames, self.frame_rate)
        return PartialHypothesis(state.words, tuple(open_word))

    def finish(self, state: GreedyState) -> Hypothesis:
        """Return the transcript; the score is that of the best path."""
        stable, last = self.words(state)
        return Hypothesis.from_words((*stable, *last), state.score)

    def fork(self) -> "GreedyStream":
        """Return itself: it has no state."""
        return self


def best_path(log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """Find the best token of each frame where the log-probabilities are.

    Two numbers a frame go to the CPU: scores in float32, NaN where one of the frame's
    is, and ids, of equals the first.
    """
    scores, ids = log_probs.detach().max(dim=-1)
    return scores.float().cpu(), ids.cpu()


def _begins_word(token: str) -> bool:
    return token == WORD_DELIMITER or token.startswith(WORD_START)
