"""Greedy decoding of a stream: words as they come."""

from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.data.subwords import AnyVocabulary
from lact_modules.data.vocabulary import WORD_DELIMITER, WORD_START
from lact_modules.decoding.hypothesis import Word, group_words


class HeardSoFar(NamedTuple):
    """What has been heard of a stream.

    Arguments
    ---------
    words : tuple[Word, ...]
        Those that nothing changes any more.
    tokens : tuple[str, ...]
        Of the word that may go on.
    frames : tuple[int, ...]
        At which frame each of these began.
    last : int
        Id of the last frame's best token.
    num_frames : int
        Frames so far.
    """

    words: tuple[Word, ...] = ()
    tokens: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()
    last: int = -1
    num_frames: int = 0


class GreedyStream:
    """Take the best token of each frame, piece by piece; see `GreedyDecoder`.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.

    Example
    -------
    >>> from lact_modules.data.vocabulary import Vocabulary
    >>> decoder = GreedyStream(Vocabulary.from_texts(["HI"]), frame_rate=10.0)
    >>> frames = torch.nn.functional.one_hot(torch.tensor([0, 2, 2, 0, 3, 1])).log()
    >>> heard = decoder.accept(frames[:3], HeardSoFar())
    >>> [word.word for word in decoder.words(heard)]
    ['H']
    >>> decoder.words(decoder.accept(frames[3:], heard))
    (Word(word='HI', start=0.1, end=0.5),)
    """

    def __init__(self, vocabulary: AnyVocabulary, frame_rate: float):
        self.vocabulary, self.frame_rate = vocabulary, frame_rate

    def accept(self, log_probs: Tensor, heard: HeardSoFar) -> HeardSoFar:
        """Go on with the log-probabilities (T, V) of some frames."""
        best = log_probs.argmax(dim=-1)
        ids, repeats = best.unique_consecutive(return_counts=True)
        starts = repeats.cumsum(0) - repeats
        is_new = ~torch.isin(ids, torch.tensor(self.vocabulary.silent_ids).to(ids))
        # the last token before goes on
        is_new[:1] &= ids[:1] != heard.last
        found = (self.vocabulary.tokens[i] for i in ids[is_new].tolist())
        tokens = [*heard.tokens, *found]
        frames = [*heard.frames, *(heard.num_frames + starts[is_new]).tolist()]
        # the last word may go on, and those before it may not
        borders = (i for i, token in enumerate(tokens) if _begins_word(token))
        first = max(borders, default=0)
        done = group_words(tokens[:first], frames[:first], self.frame_rate)
        return HeardSoFar(
            (*heard.words, *done),
            tuple(tokens[first:]),
            tuple(frames[first:]),
            int(ids[-1]) if len(ids) else heard.last,
            heard.num_frames + len(log_probs),
        )

    def words(self, heard: HeardSoFar) -> tuple[Word, ...]:
        """Give all words, the one that may go on too."""
        open_word = group_words(heard.tokens, heard.frames, self.frame_rate)
        return (*heard.words, *open_word)


def _begins_word(token: str) -> bool:
    return token == WORD_DELIMITER or token.startswith(WORD_START)
