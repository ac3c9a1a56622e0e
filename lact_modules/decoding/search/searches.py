"""The search that fits what may come out."""

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
    """Make the search that fits what may come out.

    Arguments
    ---------
    vocabulary : AnyVocabulary
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
    >>> import torch
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> from lact_modules.decoding.search.found import Weights
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
    if isinstance(vocabulary, SubwordVocabulary):
        return PieceSearch(vocabulary, lexicon, lm, **options)
    if is_unspaced(word for word, _ in lexicon):
        return SegmentedSearch(vocabulary, lexicon, lm, **options)
    return WordSearch(vocabulary, lexicon, lm, **options)
