"""The search that fits the possible outputs."""

from pathlib import Path
from typing import Any

from lact_modules.data.text.scripts import is_unspaced
from lact_modules.data.text.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.decoding.search.flashlight import Search, SpellingSearch
from lact_modules.decoding.search.lexicon import Lexicon
from lact_modules.decoding.search.piece_search import PieceSearch
from lact_modules.decoding.search.word_search import SegmentedSearch, WordSearch


def make_search(
    vocabulary: AnyVocabulary,
    lexicon: Lexicon | None,
    lm: str | Path | None,
    **options: Any,
) -> Search:
    """Make the search for the lexicon's words, or for any spelling if None.

    KenLM reads `lm`: of the lexicon's words, or of tokens without one. A ``fork`` of
    the search is for another stream.
    """
    if lexicon is None:
        return SpellingSearch(vocabulary, lm, **options)
    if isinstance(vocabulary, SubwordVocabulary):
        return PieceSearch(vocabulary, lexicon, lm, **options)
    if is_unspaced(word for word, _ in lexicon):
        return SegmentedSearch(vocabulary, lexicon, lm, **options)
    return WordSearch(vocabulary, lexicon, lm, **options)
