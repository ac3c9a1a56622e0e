"""Characters or word pieces of a model, as transformers' tokenizers."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from transformers import PreTrainedTokenizer
from transformers.models.wav2vec2.tokenization_wav2vec2 import (
    Wav2Vec2CTCTokenizer,
    Wav2Vec2CTCTokenizerOutput,
)

from lact_modules.data.text.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.data.text.vocabulary import (
    BLANK,
    WORD_DELIMITER,
    WORD_START,
    Vocabulary,
)
from lact_modules.decoding.hypothesis import group_words
from lact_modules.errors import InputError
from lact_modules.hf.remote_code import WithOwnCode, place_of, write_code


class LaCTTokenizer(WithOwnCode, PreTrainedTokenizer):
    """Texts to tokens, and CTC's output to the text of `lact-asr`.

    Decoding takes the offsets' options of Wav2Vec2CTCTokenizer and has its output;
    offsets are frames. A word ends with its last token's first frame, as in the output
    of `lact-asr transcribe`.

    Arguments
    ---------
    characters_file : str | None
        A model's ``vocabulary.txt``,
    pieces_file : str | None
        or its ``tokenizer.model``.
    **others : Any
        Of PreTrainedTokenizer.

    Raises
    ------
    InputError
        If there is neither file, or both, or it cannot be read.

    Example
    -------
    >>> path = getfixture("tmp_path") / "vocabulary.txt"
    >>> Vocabulary.from_texts(["ONE TWO"]).save(path)
    >>> tokenizer = LaCTTokenizer(str(path))
    >>> tokenizer("TWO").input_ids
    [5, 6, 4]
    >>> tokenizer.decode([0, 5, 5, 6, 0, 4], output_word_offsets=True).word_offsets
    [{'word': 'TWO', 'start_offset': 1, 'end_offset': 6}]
    """

    vocab_files_names: ClassVar = {
        "characters_file": Vocabulary.file_name,
        "pieces_file": SubwordVocabulary.file_name,
    }
    model_input_names: ClassVar = ["input_ids", "attention_mask"]
    replace_word_delimiter_char = " "
    _auto_map: ClassVar = {"AutoTokenizer": [place_of("LaCTTokenizer"), None]}
    # transformers' pipeline asks for it
    _get_word_offsets = staticmethod(Wav2Vec2CTCTokenizer._get_word_offsets)

    def __init__(
        self,
        characters_file: str | None = None,
        pieces_file: str | None = None,
        **others: Any,
    ):
        self.vocabulary = _load_one(characters_file, pieces_file)
        self._ids = {token: i for i, token in enumerate(self.vocabulary.tokens)}
        others = {"pad_token": BLANK, **others, "special_tokens_pattern": "none"}
        super().__init__(**others)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, CTC's blank included."""
        return len(self.vocabulary)

    def get_vocab(self) -> dict[str, int]:
        """Return the tokens with their ids."""
        return {**self._ids, **self.added_tokens_encoder}

    def tokenize(self, text: str, **_: Any) -> list[str]:
        """Cut a text into tokens; an InputError names a character that has none."""
        return [self.vocabulary.tokens[i] for i in self.vocabulary.encode(text)]

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str, ...]:
        """Write the model's file, and the code that the settings name."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        path = Path(save_directory) / f"{prefix}{self.vocabulary.file_name}"
        self.vocabulary.save(path)
        write_code(save_directory)
        return (str(path),)

    def _convert_token_to_id(self, token: str) -> int | None:
        return self._ids.get(token)

    def _convert_id_to_token(self, index: int) -> str:
        return self.vocabulary.tokens[index]

    def _decode(
        self,
        token_ids: int | Sequence[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        group_tokens: bool = True,
        output_char_offsets: bool = False,
        output_word_offsets: bool = False,
        **_: Any,
    ) -> str | Wav2Vec2CTCTokenizerOutput:
        ids = [token_ids] if isinstance(token_ids, int) else token_ids
        runs = groupby(enumerate(ids), key=lambda each: each[1])
        firsts = (next(run) for _, run in runs)
        placed = [*self._place(firsts if group_tokens else enumerate(ids))]
        tokens, frames = [t for t, _ in placed], [frame for _, frame in placed]
        # a frame is what times are counted in
        text = " ".join(word.word for word in group_words(tokens, frames, 1.0))
        if not (output_char_offsets or output_word_offsets):
            return text
        parts = [part for token, frame in placed for part in _split(token, frame)]
        words = self._get_word_offsets(parts, self.replace_word_delimiter_char)
        return Wav2Vec2CTCTokenizerOutput(
            text=text,
            char_offsets=parts if output_char_offsets else None,
            word_offsets=words if output_word_offsets else None,
        )

    def _place(self, ids: Iterable[tuple[int, int]]) -> Iterator[tuple[str, int]]:
        """Return the tokens of ids that have a frame, and the frame."""
        silent = self.vocabulary.silent_ids
        for frame, i in ids:
            # labels are padded with numbers below 0
            if i >= 0 and i not in silent:
                yield self.vocabulary.tokens[i], frame


def _load_one(characters: str | None, pieces: str | None) -> AnyVocabulary:
    if (characters is None) == (pieces is None):
        names = f"{Vocabulary.file_name} and {SubwordVocabulary.file_name}"
        raise InputError(f"tokenizer: give one of {names}, that of the model")
    if pieces is not None:
        return SubwordVocabulary.load(pieces)
    return Vocabulary.load(str(characters))


def _split(token: str, frame: int) -> Iterator[dict[str, Any]]:
    """Return a token with its frame, and the space between words as one of its own."""
    letters = token.removeprefix(WORD_START)
    is_delimiter = token == WORD_DELIMITER
    if is_delimiter or letters != token:
        end = frame + 1 if is_delimiter else frame
        yield {"char": " ", "start_offset": frame, "end_offset": end}
    if letters and not is_delimiter:
        yield {"char": letters, "start_offset": frame, "end_offset": frame + 1}
