"""Beam search over words: what whole utterances and streams have in common."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from lact_modules.data.text.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.decoding.blank_skipping import BlankSkipper
from lact_modules.decoding.hypothesis import Hypothesis, Word, group_words
from lact_modules.decoding.numbers import MAX_BEAM, check_number
from lact_modules.decoding.search.fit import choose_words
from lact_modules.decoding.search.found import IMPOSSIBLE, Found, Weights
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.decoding.search.flashlight import Search

MAX_PIECES = 1000
"""Most pieces of words: flashlight takes a table of all steps from one to another."""


class Prefix(NamedTuple):
    """What frames may be, if others follow.

    Arguments
    ---------
    score : float
        The higher the better.
    complete : tuple[Word, ...]
        Words with which all begins that is found from here.
    open : tuple[Word, ...]
        The word that continues, if one does; spelled in tokens, also where the lexicon
        names it otherwise.
    """

    score: float
    complete: tuple[Word, ...]
    open: tuple[Word, ...]


class BeamSearch:
    """Search for the best text over all its alignments, on the CPU (flashlight).

    The score is the log-probability of the text, plus `lm_weight` times log10 of
    the text's probability by the language model, plus `word_score` a word. With a
    language model of words or a lexicon only words of the lexicon come out; else any
    spelling may. Words are spelled by characters, or in pieces. In scripts without
    spaces words of characters stand with or without delimiters.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.
    beam_size : int
        Hypotheses kept after each frame.
    lm : str | Path | None
        N-gram of words or of tokens: ARPA or KenLM binary.
    lexicon : str | Path | None
        See :func:`~lact_modules.decoding.search.lexicon.read_lexicon`. If None, the
        words of the ARPA file are spelled as the vocabulary does.
    lm_weight : float
        Weight of the language model, not negative.
    word_score : float
        Added for each word of a lexicon; positive favours more words.
    beam_threshold : float
        Hypotheses this far below the best are dropped.
    skip_blanks : float | None
        Blank probability from which on frames are not searched, see `BlankSkipper`.

    Raises
    ------
    InputError
        If the language model or the lexicon is missing, damaged, or has no word
        that the vocabulary can spell; if a binary of words comes without a lexicon; if
        a number is out of its range, or words are scored where there are none; if
        flashlight is not installed.

    Example
    -------
    >>> import torch
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> search = BeamSearch(Vocabulary.from_texts(["HI"]), 10.0, beam_size=5)
    >>> search.begin()
    >>> search.step(torch.nn.functional.one_hot(torch.tensor([2, 0, 3])).log())
    >>> max(search.prefixes()).open
    (Word(word='HI', start=0.0, end=0.3),)
    >>> search.end()[0].text
    'HI'
    """

    def __init__(
        self,
        vocabulary: AnyVocabulary,
        frame_rate: float,
        beam_size: int = 50,
        lm: str | Path | None = None,
        lexicon: str | Path | None = None,
        lm_weight: float = 1.5,
        word_score: float = 0.0,
        beam_threshold: float = 25.0,
        skip_blanks: float | None = None,
    ):
        check_number("beam_size", beam_size, 1, MAX_BEAM, whole=True)
        check_number("lm_weight", lm_weight, 0)
        check_number("word_score", word_score)
        check_number("beam_threshold", beam_threshold, 0)
        self.vocabulary, self.frame_rate = vocabulary, frame_rate
        words = choose_words(vocabulary, lm, lexicon)
        self.words = None if words is None else frozenset(word for word, _ in words)
        if words is None and word_score:
            raise InputError(
                f"word_score {word_score:g}: counts the words of a lexicon or of a "
                "language model of words, and there is neither; omit it"
            )
        self._search = _flashlight()(
            vocabulary,
            words,
            lm,
            weights=Weights(lm_weight, word_score),
            beam_size=beam_size,
            beam_threshold=beam_threshold,
        )
        self._offset = 0
        self._skipper = BlankSkipper(skip_blanks, vocabulary.blank_id)

    def fork(self) -> "BeamSearch":
        """Return another search with the same language model and lexicon."""
        other = copy.copy(self)
        other._search = self._search.fork()
        other._skipper = self._skipper.fork()
        return other

    def begin(self, num_frames: int = 0) -> None:
        """Begin an utterance, so many frames after time 0."""
        self._offset = num_frames
        self._skipper.begin()
        self._search.begin()

    def step(self, log_probs: Tensor) -> None:
        """Continue with the log-probabilities (T, V) of some frames; none is NaN."""
        frames = self._skipper(log_probs.clamp(min=IMPOSSIBLE))
        if len(frames):
            self._search.step(frames)

    def prefixes(self) -> list[Prefix]:
        """Return the hypotheses in the beam for the frames so far, unsorted."""
        return [self._to_prefix(found) for found in self._search.found()]

    def end(self) -> list[Hypothesis]:
        """End the utterance: different texts, best first. `begin` comes next."""
        self._search.end()
        # flashlight keeps texts apart that differ in repeated delimiters alone
        same_text: dict[str, list[Hypothesis]] = {}
        for found in self._search.found():
            words = self._spell(found)
            if found.words is not None:
                # a word that the audio cuts off is spelled but not named
                words = words[: len(found.words)]
            score = found.score + self._skipper.score
            hypothesis = Hypothesis.from_words(words, score)
            same_text.setdefault(hypothesis.text, []).append(hypothesis)
        merged = [
            replace(
                group[0], score=float(np.logaddexp.reduce([h.score for h in group]))
            )
            for group in same_text.values()
        ]
        return sorted(merged, key=lambda hypothesis: -hypothesis.score)

    def _to_prefix(self, found: Found) -> Prefix:
        words = self._spell(found)
        if found.words is not None:
            num_complete = len(found.words)
        else:
            is_over = found.tokens[-1:] == [self.vocabulary.delimiter]
            num_complete = len(words) if is_over else max(0, len(words) - 1)
        return Prefix(
            found.score, tuple(words[:num_complete]), tuple(words[num_complete:])
        )

    def _spell(self, found: Found) -> list[Word]:
        frames = (self._skipper.frame(each) + self._offset for each in found.frames)
        words = group_words(found.tokens, frames, self.frame_rate)
        names = found.words or []
        named = zip(words, names, strict=False)
        rest = words[len(names) :]
        return [*(replace(word, word=name) for word, name in named), *rest]


def wants_beam(
    vocabulary: AnyVocabulary,
    beam_size: int,
    lm: str | Path | None,
    lexicon: str | Path | None,
) -> bool:
    """Return whether a user asks for beam search, and see that it can be done.

    Raises InputError if a language model or lexicon comes without it, or it is asked
    for over too many pieces or with too large a beam.
    """
    check_number("beam_size", beam_size, 0, MAX_BEAM, whole=True)
    if beam_size > 1:
        if isinstance(vocabulary, SubwordVocabulary) and len(vocabulary) > MAX_PIECES:
            raise InputError(
                f"beam_size {beam_size}: the CTC beam search takes {MAX_PIECES} pieces "
                f"at most, and the model has {len(vocabulary)}; search with attention, "
                "or greedily"
            )
        return True
    for path in (lm, lexicon):
        if path is not None:
            raise InputError(f"{path}: needs beam search; give a beam size above 1")
    return False


def _flashlight() -> Callable[..., "Search"]:
    """Import what makes searches; flashlight has no wheels for some Pythons."""
    try:
        from lact_modules.decoding.search.searches import make_search
    except ModuleNotFoundError as error:
        raise InputError(
            "beam search: needs flashlight-text, which has no wheels for Python 3.13; "
            "run tools/build_flashlight.sh of the repository, or decode greedily "
            "(beam_size 0)"
        ) from error
    return make_search
