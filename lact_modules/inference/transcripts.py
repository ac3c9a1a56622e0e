"""Transcripts for users of Python: text, word times and confidences."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lact_modules.decoding.hypothesis import Word


@dataclass(frozen=True)
class TimedWord:
    """A word of a transcript.

    Arguments
    ---------
    word : str
        Its spelling.
    start : float
        Seconds at which it begins.
    end : float
        Seconds at which it ends.
    confidence : float | None
        From 0 to 1: the geometric mean of its tokens' CTC probabilities, each at its
        surest frame. None in streams; not compared.
    """

    word: str
    start: float
    end: float
    confidence: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Transcript:
    """A transcript; ``str`` of it is the text.

    Arguments
    ---------
    text : str
        Words joined by one space.
    words : tuple[TimedWord, ...]
        The same words in time.
    confidence : float | None
        Of all words, as of one; None without words, and in streams; not compared.
    is_final : bool
        False for a partial hypothesis of a stream.

    Example
    -------
    >>> print(Transcript("ONE", (TimedWord("ONE", 0.2, 0.48, 0.9),), 0.9))
    ONE
    """

    text: str
    words: tuple[TimedWord, ...]
    confidence: float | None = field(default=None, compare=False)
    is_final: bool = True

    def __str__(self) -> str:
        return self.text


def to_transcript(
    words: Sequence[Word],
    log_probs: Tensor | None = None,
    tokens: Sequence[str] = (),
    is_final: bool = True,
) -> Transcript:
    """Make a transcript of a decoder's words.

    Confidences need ``log_probs`` (T, V) of the utterance and the V ``tokens``.

    >>> from lact_modules.decoding.hypothesis import group_words
    >>> words = group_words("HI", [0, 2], frame_rate=10.0)
    >>> probs = torch.tensor([[0.1, 0.4, 0.5], [0.1, 0.9, 0.0], [0.2, 0.0, 0.4]])
    >>> transcript = to_transcript(words, probs.log(), ["<blank>", "H", "I"])
    >>> transcript.text, f"{transcript.confidence:.2f}"
    ('HI', '0.60')
    """
    text = " ".join(word.word for word in words)
    if log_probs is None:
        sure: list[float | None] = [None] * len(words)
        return Transcript(text, _time(words, sure), is_final=is_final)
    scores = _score_tokens(words, log_probs, tokens)
    sure = [_mean(each) for each in scores]
    joined = torch.cat([torch.zeros(0), *scores])
    return Transcript(text, _time(words, sure), _mean(joined), is_final)


def _time(
    words: Sequence[Word], confidences: Sequence[float | None]
) -> tuple[TimedWord, ...]:
    return tuple(
        TimedWord(word.word, word.start, word.end, confidence)
        for word, confidence in zip(words, confidences, strict=True)
    )


def _score_tokens(
    words: Sequence[Word], log_probs: Tensor, names: Sequence[str]
) -> list[Tensor]:
    """Return the log-probabilities of each word's tokens, at their surest frames."""
    tokens = [token for word in words for token in word.tokens]
    if not tokens:
        return []
    ids = {name: index for index, name in enumerate(names)}
    columns = torch.tensor([ids[name] for name, _ in tokens])
    starts = torch.tensor([frame for _, frame in tokens])
    # each may last until the next begins; what leaves the device is a number a frame
    frames = torch.arange(int(starts[0]), len(log_probs))
    owners = torch.searchsorted(starts, frames, right=True) - 1
    begun = log_probs[starts, columns].float().cpu()
    lasting = log_probs[frames, columns[owners]].float().cpu()
    scores = begun.scatter_reduce(0, owners, lasting, "amax")
    return [*scores.split([len(word.tokens) for word in words])]


def _mean(scores: Tensor) -> float | None:
    return float(scores.mean().exp()) if len(scores) else None
