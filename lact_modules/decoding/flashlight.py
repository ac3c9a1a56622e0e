"""The seam to flashlight's beam search."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from flashlight.lib.text.decoder import (
    CriterionType,
    LexiconDecoder,
    LexiconDecoderOptions,
    LexiconFreeDecoder,
    LexiconFreeDecoderOptions,
    SmearingMode,
    Trie,
    ZeroLM,
)
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from torch import Tensor

from lact_modules.data.scripts import is_unspaced
from lact_modules.data.vocabulary import WORD_DELIMITER, Vocabulary
from lact_modules.decoding.lexicon import Lexicon
from lact_modules.decoding.ngram_file import opened_for_kenlm
from lact_modules.decoding.segmentation import Node, SegmentingLM
from lact_modules.errors import InputError

IMPOSSIBLE = -1e4
"""Log-probability of what cannot be; sums of infinities would be NaN."""

# flashlight asks for such a word; its score of minus infinity keeps it out
_UNKNOWN = "<unk>"

# A node of flashlight's trie keeps the words that come first, and drops others.
_WORDS_A_NODE = 6

# The likeliest of a frame; with thousands of tokens all others take time and memory,
# most of all where Python is asked about each.
_MOST_TOKENS = 100
_MOST_SEGMENTED_TOKENS = 20


@dataclass(frozen=True)
class Weights:
    """How much counts what, beside the log-probability of the text.

    Arguments
    ---------
    lm : float
        Weight of log10 of the text's probability by the language model.
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
        Names of the words that are complete; None where tokens say all.
    """

    score: float
    tokens: list[str]
    frames: list[int]
    words: list[str] | None = None


class Search:
    """A search that sums over alignments; see :func:`make_search`.

    Arguments
    ---------
    vocabulary : Vocabulary
        Tokens of the model.
    names : Sequence[str]
        What the language model is asked about.
    lm : str | Path | None
        Language model that KenLM reads.
    weights : Weights
        How much counts what.
    beam_size : int
        Hypotheses kept after each frame.
    beam_threshold : float
        Hypotheses this far below the best are dropped.

    Raises
    ------
    InputError
        If KenLM cannot read the language model.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        names: Sequence[str],
        lm: str | Path | None,
        weights: Weights,
        beam_size: int,
        beam_threshold: float,
    ):
        self._tokens = vocabulary.tokens
        self._token_ids = {token: index for index, token in enumerate(self._tokens)}
        self._blank = vocabulary.blank_id
        self._delimiter = self._token_ids[WORD_DELIMITER]
        self._lm_path = lm
        self._weights = weights
        self._names = Dictionary(list(names))
        self._lm: Any = ZeroLM() if lm is None else _load_kenlm(lm, self._names)
        self._settings = {
            "beam_size": beam_size,
            "beam_size_token": min(len(vocabulary), _MOST_TOKENS),
            "beam_threshold": beam_threshold,
            "lm_weight": weights.lm,
            "sil_score": 0.0,
            "log_add": True,
            "criterion_type": CriterionType.CTC,
        }
        self._is_over = False

    def _make(self) -> Any:
        """Make flashlight's decoder."""
        raise NotImplementedError

    def fork(self) -> "Search":
        """Give another search with the same language model and lexicon."""
        other = copy.copy(self)
        other._decoder = other._make()
        return other

    def begin(self) -> None:
        """Forget what has been searched."""
        self._is_over = False
        self._decoder.decode_begin()

    def step(self, log_probs: Tensor) -> None:
        """Go on with finite log-probabilities (T, V) of some frames."""
        frames = log_probs.to("cpu", torch.float32).contiguous()
        self._decoder.decode_step(frames.data_ptr(), *frames.shape)

    def end(self) -> None:
        """Add what the language model says of the text's end, and sort."""
        self._is_over = True
        self._decoder.decode_end()

    def found(self) -> list[Found]:
        """Give what is in the beam; best first, and only then, after the end.

        Returns
        -------
        list[Found]
            At least one.

        Raises
        ------
        InputError
            If the language model leaves nothing to be said.
        """
        results = self._decoder.get_all_final_hypothesis()
        if not results:
            raise InputError(
                f"{self._lm_path}: gives no text a probability; damaged, take another"
            )
        return list(map(self._to_found, results))

    def _to_found(self, result: Any) -> Found:
        path = np.asarray(result.tokens)
        starts = np.flatnonzero(np.diff(path, prepend=-1))
        starts = starts[path[starts] != self._blank]
        tokens = [self._tokens[i] for i in path[starts].tolist()]
        # flashlight counts from a frame before the first
        frames = (starts - 1).tolist()
        return Found(result.score, tokens, frames)


class SpellingSearch(Search):
    """Any spelling may come out; a language model is one of tokens."""

    def __init__(self, vocabulary: Vocabulary, lm: str | Path | None, **options: Any):
        super().__init__(vocabulary, vocabulary.tokens, lm, **options)
        self._decoder = self._make()

    def _make(self) -> Any:
        options = LexiconFreeDecoderOptions(**self._settings)
        return LexiconFreeDecoder(options, self._lm, self._delimiter, self._blank, [])


class WordSearch(Search):
    """Words of a lexicon come out, each ended by a delimiter."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        lexicon: Lexicon,
        lm: str | Path | None,
        **options: Any,
    ):
        super().__init__(vocabulary, _name_words(lexicon), lm, **options)
        spelled = _group(lexicon)
        most = max(map(len, spelled.values()))
        # Copies of the delimiter, with which more words of one spelling can end.
        self._num_copies = (most - 1) // _WORDS_A_NODE
        self._tokens += (WORD_DELIMITER,) * self._num_copies
        self._settings["beam_size_token"] += self._num_copies
        self._trie = self._build_trie(spelled)
        # One more frame that can only be a delimiter ends the last word.
        self._ending = torch.full((1, len(vocabulary)), IMPOSSIBLE)
        self._ending[0, self._delimiter] = 0.0
        self._decoder = self._make()

    def _make(self) -> Any:
        options = LexiconDecoderOptions(
            word_score=self._weights.word, unk_score=-inf, **self._settings
        )
        ids = self._delimiter, self._blank, self._names.get_index(_UNKNOWN)
        return LexiconDecoder(options, self._trie, self._lm, *ids, [], False)

    def step(self, log_probs: Tensor) -> None:
        """Go on with finite log-probabilities (T, V) of some frames."""
        copies = log_probs[:, [self._delimiter] * self._num_copies]
        super().step(torch.cat([log_probs, copies], dim=1))

    def end(self) -> None:
        """End the last word, add what is said of the text's end, and sort."""
        self.step(self._ending)
        super().end()

    def _to_found(self, result: Any) -> Found:
        words = [self._names.get_entry(word) for word in result.words if word >= 0]
        return super()._to_found(result)._replace(words=words)

    def _build_trie(self, spelled: dict[tuple[str, ...], list[str]]) -> Trie:
        ends = [self._delimiter, *range(len(self._token_ids), len(self._tokens))]
        trie = Trie(len(self._tokens), self._delimiter)
        start = self._lm.start(False)
        for spelling, words in spelled.items():
            ids = [self._token_ids[token] for token in spelling]
            for place, word in enumerate(words):
                index = self._names.get_index(word)
                _, score = self._lm.score(start, index)
                trie.insert([*ids, ends[place // _WORDS_A_NODE]], index, score)
        trie.smear(SmearingMode.MAX)
        return trie


class SegmentedSearch(Search):
    """Words of a lexicon come out, one after the other, with or without delimiters."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        lexicon: Lexicon,
        lm: str | Path | None,
        **options: Any,
    ):
        super().__init__(vocabulary, _name_words(lexicon), lm, **options)
        # the segmenter weighs by itself
        self._settings["lm_weight"] = 1.0
        self._settings["beam_size_token"] = min(len(vocabulary), _MOST_SEGMENTED_TOKENS)
        self._root = Node()
        start = self._lm.start(False)
        for word, spelling in lexicon:
            index = self._names.get_index(word)
            _, score = self._lm.score(start, index)
            ids = [self._token_ids[token] for token in spelling]
            self._root.insert(ids, index, score)
        self._decoder = self._make()

    def _make(self) -> Any:
        self._segmenter = SegmentingLM(
            self._lm, self._root, self._delimiter, self._weights.lm, self._weights.word
        )
        options = LexiconFreeDecoderOptions(**self._settings)
        ids = self._delimiter, self._blank
        return LexiconFreeDecoder(options, self._segmenter, *ids, [])

    def _to_found(self, result: Any) -> Found:
        found = super()._to_found(result)
        tokens = [*found.tokens]
        ids = [self._token_ids[token] for token in tokens]
        cuts = self._segmenter.cut(ids, self._is_over)
        for word, begin, end, _ in cuts:
            tokens[begin:end] = _spread(self._names.get_entry(word), tokens[begin:end])
        if self._is_over:
            # a word that the audio cuts off is not named
            tokens = tokens[: cuts[-1].end] if cuts else []
        return found._replace(tokens=tokens, frames=found.frames[: len(tokens)])


def make_search(
    vocabulary: Vocabulary,
    lexicon: Lexicon | None,
    lm: str | Path | None,
    **options: Any,
) -> Search:
    """Make the search that fits what may come out.

    Arguments
    ---------
    vocabulary : Vocabulary
        Tokens of the model.
    lexicon : Lexicon | None
        Words that may come out; any spelling if None.
    lm : str | Path | None
        Language model that KenLM reads: of the lexicon's words; without a lexicon, of
        tokens.
    **options : Any
        ``weights``, ``beam_size`` and ``beam_threshold``.

    Returns
    -------
    Search
        Of one stream; its ``fork`` gives those of others.

    Raises
    ------
    InputError
        If KenLM cannot read the language model.

    Example
    -------
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> options = {"weights": Weights(), "beam_size": 5, "beam_threshold": 25.0}
    >>> search = make_search(vocabulary, [("Hi", ("H", "I"))], None, **options)
    >>> frames = torch.nn.functional.one_hot(torch.tensor([2, 0, 3, 1])).float()
    >>> search.begin()
    >>> search.step(20 * frames)
    >>> max(search.found()).words
    ['Hi']
    """
    if lexicon is None:
        return SpellingSearch(vocabulary, lm, **options)
    if is_unspaced(word for word, _ in lexicon):
        return SegmentedSearch(vocabulary, lexicon, lm, **options)
    return WordSearch(vocabulary, lexicon, lm, **options)


def _spread(name: str, tokens: list[str]) -> list[str]:
    """Put a word's name in the place of its tokens, from the first to the last."""
    if name == "".join(tokens):
        return tokens
    if len(tokens) == 1:
        return [name]
    return [name[:-1], *[""] * (len(tokens) - 2), name[-1:]]


def _name_words(lexicon: Lexicon) -> list[str]:
    return list(dict.fromkeys((*(word for word, _ in lexicon), _UNKNOWN)))


def _group(lexicon: Lexicon) -> dict[tuple[str, ...], list[str]]:
    """Give the words of each spelling."""
    spelled: dict[tuple[str, ...], list[str]] = {}
    for word, spelling in lexicon:
        spelled.setdefault(spelling, []).append(word)
    return spelled


def _load_kenlm(path: str | Path, names: Dictionary) -> KenLM:
    with opened_for_kenlm(path) as plain:
        return KenLM(plain, names)
