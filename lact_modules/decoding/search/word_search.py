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

from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.search.flashlight import Search
from lact_modules.decoding.search.found import IMPOSSIBLE, Found
from lact_modules.decoding.search.lexicon import Lexicon
from lact_modules.decoding.search.segmentation import Node, SegmentingLM

# A node of flashlight's trie keeps the words that come first, and drops others.
_WORDS_A_NODE = 6

# Python scores each of a frame's tokens.
_MOST_SEGMENTED_TOKENS = 20


class LexiconSearch(Search):
    """Output words of a lexicon; `lm` is one of these words."""

    # flashlight asks for such a word; its score of minus infinity keeps it out
    unknown = "<unk>"

    def __init__(
        self,
        vocabulary: AnyVocabulary,
        lexicon: Lexicon,
        lm: str | Path | None,
        **options: Any,
    ):
        names = dict.fromkeys((*(word for word, _ in lexicon), self.unknown))
        super().__init__(vocabulary, [*names], lm, **options)

    def _make_tree(self, lexicon: Lexicon) -> Node:
        """Put the spellings into a tree, with the best continuation of each place."""
        root = Node()
        start = self._lm.start(False)
        for word, spelling in lexicon:
            index = self._names.get_index(word)
            _, score = self._lm.score(start, index)
            root.insert([self._token_ids[token] for token in spelling], index, score)
        return root


class TrieSearch(LexiconSearch):
    """Output words where flashlight's trie ends one."""

    _trie: Trie

    def _decode(self, silence: int, steps: list[float]) -> LexiconDecoder:
        """Make the decoder; `steps` are scores between columns, if there are any."""
        options = LexiconDecoderOptions(
            word_score=self._weights.word, unk_score=-inf, **self._settings
        )
        ids = silence, self._blank, self._names.get_index(self.unknown)
        return LexiconDecoder(options, self._trie, self._lm, *ids, steps, False)

    def _to_found(self, result: Any) -> Found:
        words = [self._names.get_entry(word) for word in result.words if word >= 0]
        return super()._to_found(result)._replace(words=words)


class WordSearch(TrieSearch):
    """Output words of a lexicon, each ended by a delimiter."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        lexicon: Lexicon,
        lm: str | Path | None,
        **options: Any,
    ):
        super().__init__(vocabulary, lexicon, lm, **options)
        spelled = _group(lexicon)
        most = max(map(len, spelled.values()))
        # Copies of the delimiter, with which more words of one spelling can end.
        num_copies = (most - 1) // _WORDS_A_NODE
        self._columns = [*self._columns, *[self._delimiter] * num_copies]
        self._settings["beam_size_token"] += num_copies
        self._trie = self._build_trie(spelled)
        # One more frame that can only be a delimiter ends the last word.
        self._ending = torch.full((1, len(vocabulary)), IMPOSSIBLE)
        self._ending[0, self._delimiter] = 0.0
        self._decoder = self._make()

    def _make(self) -> Any:
        return self._decode(self._delimiter, [])

    def end(self) -> None:
        """End the last word, add the score of the text's end, and sort."""
        self.step(self._ending)
        super().end()

    def _build_trie(self, spelled: dict[tuple[str, ...], list[str]]) -> Trie:
        ends = [self._delimiter, *range(len(self._tokens), len(self._columns))]
        trie = Trie(len(self._columns), self._delimiter)
        start = self._lm.start(False)
        for spelling, words in spelled.items():
            ids = [self._token_ids[token] for token in spelling]
            for place, word in enumerate(words):
                index = self._names.get_index(word)
                _, score = self._lm.score(start, index)
                trie.insert([*ids, ends[place // _WORDS_A_NODE]], index, score)
        trie.smear(SmearingMode.MAX)
        return trie


class SegmentedSearch(LexiconSearch):
    """Output words of a lexicon, one after the other, with or without delimiters."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        lexicon: Lexicon,
        lm: str | Path | None,
        **options: Any,
    ):
        super().__init__(vocabulary, lexicon, lm, **options)
        # the segmenter weighs by itself
        self._settings["lm_weight"] = 1.0
        self._settings["beam_size_token"] = min(len(vocabulary), _MOST_SEGMENTED_TOKENS)
        self._root = self._make_tree(lexicon)
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


def _spread(name: str, tokens: list[str]) -> list[str]:
    """Replace a word's tokens by its name, from the first to the last."""
    if name == "".join(tokens):
        return tokens
    if len(tokens) == 1:
        return [name]
    return [name[:-1], *[""] * (len(tokens) - 2), name[-1:]]


def _group(lexicon: Lexicon) -> dict[tuple[str, ...], list[str]]:
    """Return the words of each spelling."""
    spelled: dict[tuple[str, ...], list[str]] = {}
    for word, spelling in lexicon:
        spelled.setdefault(spelling, []).append(word)
    return spelled
