"""Words that a beam search may output, spelled in a model's tokens."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from lact_modules.data.text.letter_forms import describe_form
from lact_modules.data.text.sentences import read_lines
from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.data.text.vocabulary import WORD_DELIMITER, WORD_START
from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

Lexicon = list[tuple[str, tuple[str, ...]]]
"""Words with their tokens, without delimiters; a word may have many spellings."""

MAX_SPELLING = 1000
"""Most tokens of a word: flashlight walks down spellings by recursion."""

_PROBABILITY = re.compile(r"(\d*\.\d+|\d+(?=e))(e[-+]?\d+)?|[01]", re.IGNORECASE)


def spell_words(
    words: Iterable[str], vocabulary: AnyVocabulary, source: str
) -> Lexicon:
    """Spell words as the vocabulary does: by characters, or in pieces.

    Words that cannot be spelled are skipped and their number is logged; without any,
    InputError. `source` names the words' origin in messages.
    """
    spelled = [(word, vocabulary.spell(word)) for word in words]
    return _select(spelled, vocabulary, source)


def read_lexicon(path: str | Path, vocabulary: AnyVocabulary) -> Lexicon:
    """Read a lexicon: a word and its tokens on each line (``ONE O N E |``).

    The last delimiter may be left out. Probabilities between word and spelling, as in
    Kaldi's ``lexiconp.txt``, are ignored, and that is logged. If no line has a
    spelling, words are spelled as the vocabulary does, and so are spellings in
    characters where its tokens are pieces. Words with other tokens than the
    vocabulary's are skipped, and their number is logged. Raises InputError if no word
    is left.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such lexicon; give a line a word: ONE O N E |")
    lines = [line.split() for line in read_lines(path)]
    if not lines:
        raise InputError(f"{path}: a lexicon without words")
    if all(len(line) == 1 for line in lines):
        return spell_words((word for [word] in lines), vocabulary, str(path))
    num_numbers = min(_count_numbers(line, vocabulary) for line in lines)
    if num_numbers:
        logger.warning(
            "%s: probabilities of spellings are not used; every spelling counts alike",
            path,
        )
    given = [
        (line[0], _respell(_trim(line[1 + num_numbers :]), vocabulary))
        for line in lines
    ]
    return _select(given, vocabulary, str(path))


def _count_numbers(line: list[str], vocabulary: AnyVocabulary) -> int:
    """Count the probabilities that follow a word and are no tokens."""
    count = 0
    for field in line[1:]:
        if not _PROBABILITY.fullmatch(field) or field in vocabulary.tokens:
            break
        count += 1
    return count


def _trim(tokens: list[str]) -> tuple[str, ...]:
    return tuple(tokens[:-1] if tokens[-1:] == [WORD_DELIMITER] else tokens)


def _respell(tokens: tuple[str, ...], vocabulary: AnyVocabulary) -> tuple[str, ...]:
    """Spell characters in the vocabulary's tokens; leave other tokens as they are."""
    if vocabulary.is_word(tokens) or any(len(token) > 1 for token in tokens):
        return tokens
    return vocabulary.spell("".join(tokens))


def _select(given: Lexicon, vocabulary: AnyVocabulary, source: str) -> Lexicon:
    """Drop what cannot be spelled, and repetitions."""
    distinct = list(dict.fromkeys(given))
    lexicon = [
        (word, tokens)
        for word, tokens in distinct
        if len(tokens) <= MAX_SPELLING and vocabulary.is_word(tokens)
    ]
    if len(lexicon) == len(distinct):
        return lexicon
    kept = {*lexicon}
    others = ["".join(entry[1]) for entry in distinct if entry not in kept]
    hint = describe_form(
        [spelling.removeprefix(WORD_START) for spelling in others],
        lambda word: vocabulary.is_word(vocabulary.spell(word)),
    )
    if not lexicon:
        raise InputError(
            f"{source}: none of its {len(distinct)} words can be spelled with the "
            f"model's tokens{hint or '; give words of the language it has learned'}"
        )
    logger.warning(
        "%s: %d of %d words skipped, the model's tokens cannot spell them%s",
        source,
        len(others),
        len(distinct),
        hint,
    )
    return lexicon
