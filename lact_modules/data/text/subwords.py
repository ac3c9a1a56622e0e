"""Subwords as output units: SentencePiece models behind a vocabulary's interface."""

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from lact_modules.data.text.vocabulary import BLANK, WORD_START, Vocabulary
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file

MODEL_TYPES = ("unigram", "bpe")

# bytes; SentencePiece leaves longer sentences out
_MAX_SENTENCE = 1 << 16

# tokens that are no pieces: blank, begin, end, unknown
_SPECIAL = 4
_TOO_MANY = re.compile(r"value <= (\d+)")
_TOO_FEW = re.compile(r"required_chars\. \d+ vs (\d+)")


class SubwordVocabulary:
    """Pieces of words as tokens (SentencePiece, arXiv 1808.06226).

    Token 0 is CTC's blank and padding, 1 begins a text, 2 ends it. A piece that begins
    a word bears the mark U+2581. Models whose token 0 is the unknown piece serve too,
    as those that SpeechBrain publishes: the blank takes its place, and what cannot be
    spelled becomes a blank.

    Arguments
    ---------
    model : bytes
        Contents of a SentencePiece model file.

    Raises
    ------
    InputError
        If these are not a SentencePiece model, or its tokens 1 and 2 are others.

    Example
    -------
    >>> vocabulary = SubwordVocabulary.train(["ONE TWO", "TWO TEN"], num_tokens=12)
    >>> vocabulary.tokens[:4]
    ('<blank>', '<s>', '</s>', '<unk>')
    >>> vocabulary.decode([1, *vocabulary.encode("TEN TWO"), 2])
    'TEN TWO'
    """

    blank_id = 0
    bos_id = 1
    eos_id = 2
    silent_ids = (blank_id, bos_id, eos_id)
    # none: pieces that begin a word mark it
    delimiter = None
    file_name = "tokenizer.model"

    def __init__(self, model: bytes):
        self.model = model
        self._processor = _parse(model)
        ids = self._processor.bos_id(), self._processor.eos_id()
        if ids != (self.bos_id, self.eos_id):
            raise InputError(
                f"tokenizer: begin and end of a text are tokens {ids[0]} and {ids[1]}; "
                f"expected {self.bos_id} and {self.eos_id} (options bos_id, eos_id of "
                "SentencePiece's trainer)"
            )
        pieces = map(self._processor.id_to_piece, range(1, len(self._processor)))
        self.tokens = (BLANK, *pieces)
        special = {*self.silent_ids, self._processor.unk_id()}
        # what words are spelled with
        self.letters = frozenset(
            piece for i, piece in enumerate(self.tokens) if i not in special
        )

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SubwordVocabulary) and self.model == other.model

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def train(
        cls, texts: Iterable[str], num_tokens: int, model_type: str = "unigram"
    ) -> "SubwordVocabulary":
        """Learn pieces from texts; the same texts give the same pieces.

        All characters of the texts become tokens; characters are not normalized.
        `num_tokens` includes the special ones, among them an unknown piece, 3.
        `model_type` is ``unigram`` (arXiv 1804.10959) or ``bpe`` (arXiv 1508.07909).
        Raises InputError if the texts are too few for so many tokens, or have more
        characters.
        """
        if model_type not in MODEL_TYPES:
            raise InputError(
                f"model_type {model_type!r}: expected one of {', '.join(MODEL_TYPES)}"
            )
        # SentencePiece drops empty sentences, and fails if there are no others
        sentences = [text for text in texts if text.strip()]
        if not sentences:
            raise InputError("tokenizer: no text to learn from; give some sentences")
        if num_tokens <= _SPECIAL:
            raise InputError(
                f"num_tokens {num_tokens}: the blank and three others are no pieces; "
                f"give at least {_SPECIAL + 1}"
            )
        model = io.BytesIO()
        try:
            SentencePieceTrainer.train(
                sentence_iterator=iter(sentences),
                model_writer=model,
                vocab_size=num_tokens,
                model_type=model_type,
                pad_id=cls.blank_id,
                pad_piece=BLANK,
                bos_id=cls.bos_id,
                eos_id=cls.eos_id,
                unk_id=3,
                character_coverage=1.0,
                normalization_rule_name="identity",
                max_sentence_length=_MAX_SENTENCE,
                # sums over threads depend on how many there are
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise InputError(_explain(str(error), num_tokens)) from error
        return cls(model.getvalue())

    def unknown(self, text: str) -> set[str]:
        """Return the characters of a text that no token can spell."""
        # not every kind of white space is one to SentencePiece
        text = " ".join(text.split())
        ids = self._processor.encode(text)
        pieces = self._processor.encode(text, out_type=str)
        unknown_id = self._processor.unk_id()
        spelled = zip(ids, pieces, strict=True)
        faulty = {c for token, piece in spelled if token == unknown_id for c in piece}
        return faulty - {WORD_START}

    def encode(self, text: str) -> list[int]:
        """Turn text into ids, without begin and end; white space counts as one space.

        Characters that no token can spell become the unknown piece; see
        :meth:`unknown`.
        """
        return self._processor.encode(" ".join(text.split()))

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into text; blanks, begins and ends are skipped."""
        pieces = (self.tokens[i] for i in ids if i not in self.silent_ids)
        return " ".join("".join(pieces).replace(WORD_START, " ").split())

    def spell(self, word: str) -> tuple[str, ...]:
        """Cut a word into pieces, those that are no tokens too; see :meth:`is_word`."""
        return tuple(self._processor.encode(word, out_type=str))

    def is_word(self, tokens: Sequence[str]) -> bool:
        """Return whether pieces spell one word: the first alone begins one."""
        first, *others = tokens or [""]
        return (
            first.startswith(WORD_START)
            and not any(piece.startswith(WORD_START) for piece in others)
            and self.letters.issuperset(tokens)
            and [*tokens] != [WORD_START]
        )

    def save(self, path: str | Path) -> None:
        """Write the SentencePiece model; a reader never sees half of it."""
        with whole_file(path) as unfinished:
            unfinished.write_bytes(self.model)

    @classmethod
    def load(cls, path: str | Path) -> "SubwordVocabulary":
        """Read a SentencePiece model file."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such tokenizer; train one first")
        try:
            return cls(path.read_bytes())
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


AnyVocabulary = Vocabulary | SubwordVocabulary
"""The output units of a model."""


def _parse(model: bytes) -> SentencePieceProcessor:
    try:
        processor = SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise InputError("not a SentencePiece model") from error
    # no bytes at all are taken for no model given
    if not model:
        raise InputError("not a SentencePiece model but an empty file")
    return processor


def _explain(reason: str, num_tokens: int) -> str:
    """Turn an error of SentencePiece's trainer into one line with a remedy."""
    if largest := _TOO_MANY.search(reason):
        return (
            f"num_tokens {num_tokens}: the text is too short for so many; give at most "
            f"{largest[1]}, or more text"
        )
    if smallest := _TOO_FEW.search(reason):
        return (
            f"num_tokens {num_tokens}: the text has more characters; give at least "
            f"{smallest[1]}"
        )
    return f"tokenizer: SentencePiece fails ({reason})"
