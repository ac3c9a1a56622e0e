"""Words that a beam search may say, spelled in a model's tokens."""

import logging
from collections.abc import Iterable
from pathlib import Path

from lact_modules.data.vocabulary import BLANK, WORD_DELIMITER, Vocabulary
from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

Lexicon = list[tuple[str, tuple[str, ...]]]
"""Words with their tokens, without delimiters; a word may stand with many spellings."""


def spell_words(words: Iterable[str], vocabulary: Vocabulary, source: str) -> Lexicon:
    """Spell words by their characters.

    Arguments
    ---------
    words : Iterable[str]
        What to spell; words that the vocabulary cannot spell are left out, and
        their number is logged.
    vocabulary : Vocabulary
        Tokens of the model.
    source : str
        Where the words are from, for messages.

    Returns
    -------
    Lexicon
        In the order given.

    Raises
    ------
    InputError
        If no word can be spelled.

    Example
    -------
    >>> vocabulary = Vocabulary.from_texts(["ONE TWO"])
    >>> spell_words(["TWO", "SIX"], vocabulary, source="numbers")
    [('TWO', ('T', 'W', 'O'))]
    """
    return _select(((word, tuple(word)) for word in words), vocabulary, source)


def read_lexicon(path: str | Path, vocabulary: Vocabulary) -> Lexicon:
    """Read a lexicon: a word and its tokens on each line, between white space.

    A delimiter at the end of the spelling may be there or not. Words with other
    tokens than the vocabulary's are left out, and their number is logged.

    Arguments
    ---------
    path : str | Path
        Text file, for example with the line ``ONE O N E |``.
    vocabulary : Vocabulary
        Tokens of the model.

    Returns
    -------
    Lexicon
        In the order of the file.

    Raises
    ------
    InputError
        If the file is missing, is not text, or no word can be spelled.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such lexicon")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error})") from error
    return _select(map(_parse_line, filter(str.strip, lines)), vocabulary, str(path))


def _parse_line(line: str) -> tuple[str, tuple[str, ...]]:
    word, *tokens = line.split()
    if tokens[-1:] == [WORD_DELIMITER]:
        tokens.pop()
    return word, tuple(tokens)


def _select(
    spellings: Iterable[tuple[str, tuple[str, ...]]],
    vocabulary: Vocabulary,
    source: str,
) -> Lexicon:
    letters = set(vocabulary.tokens) - {BLANK, WORD_DELIMITER}
    given = list(spellings)
    lexicon = [
        (word, tokens) for word, tokens in given if tokens and letters >= {*tokens}
    ]
    if not lexicon:
        raise InputError(
            f"{source}: none of its {len(given)} words can be spelled with the model's "
            "tokens; upper and lower case must agree"
        )
    if len(lexicon) < len(given):
        logger.warning(
            "%s: %d of %d words left out, the model's tokens cannot spell them",
            source,
            len(given) - len(lexicon),
            len(given),
        )
    return lexicon
