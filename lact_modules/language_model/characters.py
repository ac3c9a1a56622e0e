"""Language models whose words are the characters of a text."""

from collections.abc import Collection

from lact_modules.data.text.scripts import is_unspaced
from lact_modules.data.text.vocabulary import WORD_DELIMITER
from lact_modules.errors import InputError

# what other tools write for the space
_OTHER_SPACES = frozenset(("<space>", "\u2581", "<SPACE>"))


def is_of_characters(words: Collection[str]) -> bool:
    """Return whether the words of a language model are characters of a text.

    They are if each is one character, and the delimiter is among them or the script is
    written without spaces; letters alone may be words: A, B, C. Raises InputError if
    they are characters, with another sign for the space.
    """
    if any(len(word) > 1 for word in words if word not in _OTHER_SPACES):
        return False
    for sign in _OTHER_SPACES.intersection(words):
        raise InputError(
            f"language model of characters: has {sign} for the space between words; "
            f"train it with {WORD_DELIMITER} (lact-asr ngram --units characters)"
        )
    return WORD_DELIMITER in words or is_unspaced(words)
