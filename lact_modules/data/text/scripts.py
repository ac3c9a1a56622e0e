"""Scripts that are written without spaces between words."""

from collections.abc import Iterable

import regex

from lact_modules.data.text.vocabulary import WORD_DELIMITER

_LETTER = regex.compile(r"[\p{L}\p{M}\p{N}]")
_CLASS = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}"
    r"\p{Myanmar}\p{Tibetan}\p{Javanese}\p{Balinese}\p{Tai_Tham}ー]"
)
_UNSPACED = regex.compile(_CLASS)
_GAP = regex.compile(rf"(?<={_CLASS})\s+(?={_CLASS})")

# Words of these scripts have seldom more characters, phrases have.
_LONGEST_WORD = 6


def is_unspaced(texts: Iterable[str]) -> bool:
    """Return whether most letters are of scripts without spaces between words.

    Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan, ...; not Korean.
    """
    num_letters = num_unspaced = 0
    for text in texts:
        num_letters += len(_LETTER.findall(text))
        num_unspaced += len(_UNSPACED.findall(text))
    return 2 * num_unspaced > num_letters


def is_unsegmented(sentences: Iterable[str]) -> bool:
    """Return whether white space leaves words together that others would part.

    That is in scripts without spaces, unless a text has so many that they part words,
    or characters.
    """
    sentences = list(sentences)
    num_letters = sum(len(_UNSPACED.findall(sentence)) for sentence in sentences)
    num_gaps = sum(len(_GAP.findall(sentence)) for sentence in sentences)
    return num_letters > _LONGEST_WORD * num_gaps and is_unspaced(sentences)


def spell_characters(text: str) -> str:
    """Put white space between characters, and the delimiter where it was."""
    return " ".join(WORD_DELIMITER.join(text.split()))
