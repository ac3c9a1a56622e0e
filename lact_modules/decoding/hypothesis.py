"""Hypotheses: text, and the times of its words."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lact_modules.data.text.vocabulary import WORD_DELIMITER, WORD_START


@dataclass(frozen=True)
class Word:
    """A word in time.

    Arguments
    ---------
    word : str
        Its spelling.
    start : float
        Seconds at which its first token's frame begins.
    end : float
        Seconds at which its last token's frame ends.
    tokens : tuple[tuple[str, int], ...]
        Its tokens, and the frames at which they begin; not compared.
    """

    word: str
    start: float
    end: float
    tokens: tuple[tuple[str, int], ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Hypothesis:
    """One transcript of an utterance.

    Arguments
    ---------
    text : str
        Words joined by one space; empty if nothing was recognized.
    words : tuple[Word, ...]
        The same words in time.
    score : float
        Natural logarithm, the higher the better; comparable between hypotheses of
        one utterance and one decoder.
    """

    text: str
    words: tuple[Word, ...]
    score: float

    @classmethod
    def from_words(cls, words: Iterable[Word], score: float) -> "Hypothesis":
        """Join words into a transcript."""
        words = tuple(words)
        return cls(" ".join(word.word for word in words), words, score)

    def ending_by(self, seconds: float) -> "Hypothesis":
        """End its words by then: the last frame may reach beyond the last sample."""
        words = tuple(replace(w, end=min(w.end, seconds)) for w in self.words)
        return replace(self, words=words)


def group_words(
    tokens: Iterable[str], frames: Iterable[int], frame_rate: float
) -> list[Word]:
    """Join collapsed tokens into words: characters between delimiters, or subwords.

    Delimiters may repeat, lead and trail; a piece with SentencePiece's mark begins a
    word. `frames` are those at which tokens begin.
    """
    groups: list[list[tuple[str, int]]] = [[]]
    for token, frame in zip(tokens, frames, strict=True):
        is_delimiter = token == WORD_DELIMITER
        if is_delimiter or token.startswith(WORD_START):
            groups.append([])
        # a mark by itself is no letter
        if not is_delimiter and token != WORD_START:
            groups[-1].append((token, frame))
    words = []
    for group in filter(None, groups):
        spelling = "".join(token.removeprefix(WORD_START) for token, _ in group)
        start, end = group[0][1] / frame_rate, (group[-1][1] + 1) / frame_rate
        words.append(Word(spelling, start, end, tuple(group)))
    return words
