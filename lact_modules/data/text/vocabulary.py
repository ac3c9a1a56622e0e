"""Characters as output units: tokens, their ids, and text in both directions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lact_modules.errors import InputError
from lact_modules.whole_file import write_whole

BLANK = "<blank>"
WORD_DELIMITER = "|"
WORD_START = "\u2581"
"""Mark of SentencePiece before a word's first piece."""


class Vocabulary:
    """Characters as CTC tokens.

    Token 0 is CTC's blank; the space between words is the token ``|``, as in
    wav2vec 2.0 and flashlight.

    Arguments
    ---------
    tokens : Sequence[str]
        All tokens in the order of their ids, the blank first.

    Example
    -------
    >>> vocabulary = Vocabulary.from_texts(["ONE TWO", "TEN"])
    >>> vocabulary.tokens
    ('<blank>', '|', 'E', 'N', 'O', 'T', 'W')
    >>> vocabulary.decode(vocabulary.encode("TWO TEN"))
    'TWO TEN'
    """

    blank_id = 0
    silent_ids = (blank_id,)
    delimiter = WORD_DELIMITER
    file_name = "vocabulary.txt"

    def __init__(self, tokens: Sequence[str]):
        self.tokens = tuple(tokens)
        if self.tokens[:1] != (BLANK,):
            raise InputError(f"vocabulary: the first token must be {BLANK}")
        if len(set(self.tokens)) != len(self.tokens):
            raise InputError("vocabulary: a token appears twice")
        self._ids = {token: index for index, token in enumerate(self.tokens)}
        # what words are spelled with
        self.letters = frozenset(self.tokens) - {BLANK, WORD_DELIMITER}

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.tokens == other.tokens

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> "Vocabulary":
        """Collect the characters of all texts, sorted."""
        characters = set().union(*map(_spell, texts)) - {WORD_DELIMITER}
        return cls([BLANK, WORD_DELIMITER, *sorted(characters)])

    def unknown(self, text: str) -> set[str]:
        """Return the characters of a text that have no token."""
        return set(_spell(text)) - set(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Turn text into ids; a run of white space counts as one space.

        Raises InputError if the text holds a character without a token.
        """
        try:
            return [self._ids[character] for character in _spell(text)]
        except KeyError as error:
            raise InputError(
                f"transcript {text!r}: character {error.args[0]!r} is not in the "
                "vocabulary; clean the transcript or train with it in the training text"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids (already collapsed, blanks allowed) into text."""
        spelled = "".join(self.tokens[i] for i in ids if i != self.blank_id)
        return " ".join(spelled.replace(WORD_DELIMITER, " ").split())

    def spell(self, word: str) -> tuple[str, ...]:
        """Cut a word into tokens, known or not; see :meth:`is_word`."""
        return tuple(word)

    def is_word(self, tokens: Sequence[str]) -> bool:
        """Return whether tokens spell one word."""
        return len(tokens) > 0 and self.letters.issuperset(tokens)

    def save(self, path: str | Path) -> None:
        """Write one token a line; a reader never sees half of it."""
        write_whole(path, "\n".join(self.tokens) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read what :meth:`save` wrote: a token a line."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such vocabulary; it is written by training")
        try:
            return cls(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
        except (InputError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a vocabulary ({error})") from error


def _spell(text: str) -> str:
    return WORD_DELIMITER.join(text.split())
