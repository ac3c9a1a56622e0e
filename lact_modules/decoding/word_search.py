"""Searches for words of a lexicon, in scripts with and without spaces."""

from math import inf
from pathlib import Path
from typing import Any

import torch
from flashlight.lib.text.decoder import (
    LexiconDecoder,
    LexiconDecoderOptions,
    LexiconFreeDecoder,
    LexiconFreeDecoderOptions,
    SmearingMode,
    Trie,
)
from torch import Tensor

from lact_modules.data.scripts import is_unspaced
from lact_modules.data.vocabulary import WORD_DELIMITER, Vocabulary
from lact_modules.decoding.flashlight import IMPOSSIBLE, Found, Search, SpellingSearch
from lact_modules.decoding.lexicon import Lexicon
from lact_modules.decoding.segmentation import Node, SegmentingLM

# flashlight asks for such a word; its score of minus infinity keeps it out
_UNKNOWN = "<unk>"

# A node of flashlight's trie keeps the words that come first, and drops others.
_WORDS_A_NODE = 6

# Python is asked about each of a frame's tokens.
_MOST_SEGMENTED_TOKENS = 20


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
    >>> from lact_modules.decoding.flashlight import Weights
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
