"""What a beam search weighs, and what it finds."""

from dataclasses import dataclass
from typing import NamedTuple

IMPOSSIBLE = -1e4
"""Log-probability of what cannot be; sums of infinities would be NaN."""


@dataclass(frozen=True)
class Weights:
    """How much counts what, beside the log-probability of the text.

    Arguments
    ---------
    lm : float
        Of log10 of the text's probability by the language model.
    word : float
        Added for each word of a lexicon.
    """

    lm: float = 0.0
    word: float = 0.0


class Found(NamedTuple):
    """One hypothesis of a search.

    Arguments
    ---------
    score : float
        The higher the better.
    tokens : list[str]
        Collapsed, without blanks; perhaps led by a delimiter.
    frames : list[int]
        At which each begins; -1 for the delimiter that leads.
    words : list[str] | None
        Names of the words that are complete; None if tokens define the text.
    """

    score: float
    tokens: list[str]
    frames: list[int]
    words: list[str] | None = None
