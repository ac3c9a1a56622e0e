"""Check that lexicon, language model and vocabulary fit each other."""

import logging
from collections.abc import Collection, Container
from pathlib import Path

import kenlm

from lact_modules.data.text.letter_forms import describe_form
from lact_modules.data.text.scripts import is_unspaced
from lact_modules.data.text.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.data.text.vocabulary import WORD_DELIMITER, WORD_START, Vocabulary
from lact_modules.decoding.search.lexicon import Lexicon, read_lexicon, spell_words
from lact_modules.errors import InputError
from lact_modules.language_model.characters import is_of_characters
from lact_modules.language_model.ngram_file import (
    opened_for_kenlm,
    read_header,
    read_words,
)

logger = logging.getLogger(__name__)


def choose_words(
    vocabulary: AnyVocabulary, lm: str | Path | None, lexicon: str | Path | None
) -> Lexicon | None:
    """Find the words that a beam search may output; None if any text is possible.

    Any is without a file, and with an n-gram of tokens. Raises InputError if a file
    cannot be used, or nothing in it fits the others.
    """
    words = _choose(vocabulary, lm, lexicon)
    is_of_pieces = isinstance(vocabulary, SubwordVocabulary)
    if is_of_pieces and words and is_unspaced(word for word, _ in words):
        raise InputError(
            f"{lexicon or lm}: words of a script without spaces, which pieces do not "
            "part; take a model of characters"
        )
    return words


def _choose(
    vocabulary: AnyVocabulary, lm: str | Path | None, lexicon: str | Path | None
) -> Lexicon | None:
    if lexicon is not None:
        words = read_lexicon(lexicon, vocabulary)
        if lm is not None:
            names = dict.fromkeys(word for word, _ in words)
            check_known(lm, names, f"the words of {lexicon}")
        return words
    if lm is None:
        return None
    is_of_pieces = isinstance(vocabulary, SubwordVocabulary)
    letters = [token for token in vocabulary.tokens if token in vocabulary.letters]
    if read_header(lm).is_binary:
        hidden = _open_words(lm)
        if all(letter in hidden for letter in letters) and (
            is_of_pieces or WORD_DELIMITER in hidden or is_unspaced(letters)
        ):
            return None
        raise InputError(f"{lm}: a KenLM binary hides its words; give a lexicon")
    known = read_words(lm)
    if is_of_pieces and any(word.startswith(WORD_START) for word in known):
        check_known(lm, letters, "the model's pieces")
        return None
    if not is_of_characters(known):
        return spell_words(known, vocabulary, str(lm))
    if is_of_pieces:
        raise InputError(
            f"{lm}: an n-gram of characters, and the model's tokens are pieces of "
            "words; give one of words"
        )
    check_known(lm, letters, "the model's characters")
    return None


def check_known(lm: str | Path, words: Collection[str], what: str) -> None:
    """Raise InputError if an n-gram file knows none of the words, called `what`.

    Its probabilities of unknown words are meaningless.
    """
    known = _open_words(lm)
    unknown = [word for word in words if word not in known]
    if not unknown:
        return
    hint = describe_form(unknown, lambda word: word in known)
    if len(unknown) == len(words):
        raise InputError(
            f"{lm}: the language model knows none of {what} ({len(unknown)})"
            f"{hint or '; give one of the same language'}"
        )
    logger.warning(
        "%s: the language model does not know %d of %s (of %d)%s",
        lm,
        len(unknown),
        what,
        len(words),
        hint,
    )


def check_rescoring(
    lm: str | Path, vocabulary: AnyVocabulary, words: Collection[str] | None
) -> None:
    """Raise InputError if an n-gram knows nothing that a model may output.

    That is the words of a search, or any spelling if None; a binary of characters hides
    its own and is not checked.
    """
    if read_header(lm).is_binary:
        if words is not None and WORD_DELIMITER not in _open_words(lm):
            check_known(lm, words, "the words to be ranked")
        return
    known = read_words(lm)
    letters = Vocabulary.from_texts("".join(vocabulary.letters).replace(WORD_START, ""))
    if is_of_characters(known):
        check_known(lm, letters.letters, "the model's characters")
        return
    if words is not None:
        check_known(lm, words, "the words to be ranked")
    else:
        spell_words(known, letters, str(lm))
    if is_unspaced(vocabulary.letters):
        logger.warning(
            "%s: a language model of words, which texts without spaces do not part; "
            "take one of characters (lact-asr ngram --units characters)",
            lm,
        )


def _open_words(lm: str | Path) -> Container[str]:
    """Return the words that a language model knows, to be looked up."""
    if not read_header(lm).is_binary:
        return frozenset(read_words(lm))
    with opened_for_kenlm(lm) as plain:
        return kenlm.Model(plain)
