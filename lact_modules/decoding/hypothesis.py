"""What a decoder hears: text, and when each word was said."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from lact_modules.data.vocabulary import WORD_DELIMITER


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

    Example
    -------
    >>> Word("ONE", start=0.2, end=0.48).word
    'ONE'
    """

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Hypothesis:
    """One transcript of an utterance.

    Arguments
    ---------
    text : str
        Words joined by one space; empty if nothing was heard.
    words : tuple[Word, ...]
        The same words in time.
    score : float
        Natural logarithm, the higher the better; comparable between hypotheses of
        one utterance and one decoder.

    Example
    -------
    >>> Hypothesis.from_words([Word("ONE", 0.0, 0.2), Word("TWO", 0.4, 0.7)], -1.5).text
    'ONE TWO'
    """

    text: str
    words: tuple[Word, ...]
    score: float

    @classmethod
    def from_words(cls, words: Iterable[Word], score: float) -> "Hypothesis":
        """Join words into a transcript."""
        words = tuple(words)
        return cls(" ".join(word.word for word in words), words, score)


def group_words(
    tokens: Iterable[str], frames: Iterable[int], frame_rate: float
) -> list[Word]:
    """Join tokens between delimiters into words.

    Arguments
    ---------
    tokens : Iterable[str]
        Collapsed CTC tokens without blanks; delimiters may repeat, lead and trail.
    frames : Iterable[int]
        The frame at which each token begins.
    frame_rate : float
        Frames a second.

    Returns
    -------
    list[Word]
        None of them empty.

    Example
    -------
    >>> group_words("|HI||A|", range(7), frame_rate=10.0)
    [Word(word='HI', start=0.1, end=0.3), Word(word='A', start=0.5, end=0.6)]
    """
    words = []
    for is_delimiter, group in groupby(
        zip(tokens, frames, strict=True), key=lambda timed: timed[0] == WORD_DELIMITER
    ):
        if not is_delimiter:
            spelling, times = zip(*group, strict=True)
            start, end = times[0] / frame_rate, (times[-1] + 1) / frame_rate
            words.append(Word("".join(spelling), start, end))
    return words
