"""The seam to flashlight's beam search, as torchaudio wraps it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torchaudio.models.decoder import CTCDecoder, ctc_decoder

from lact_modules.data.vocabulary import BLANK, WORD_DELIMITER, Vocabulary
from lact_modules.decoding.lexicon import Lexicon
from lact_modules.errors import InputError


def build_search(
    vocabulary: Vocabulary,
    lexicon: Lexicon | None,
    lm: str | Path | None,
    **settings: Any,
) -> CTCDecoder:
    """Make a search that sums over alignments; each word ends with a delimiter.

    Arguments
    ---------
    vocabulary : Vocabulary
        Tokens of the model.
    lexicon : Lexicon | None
        Words that may come out; any spelling if None.
    lm : str | Path | None
        Language model that KenLM reads; wants a lexicon.
    **settings : Any
        Other arguments of torchaudio's ``ctc_decoder``.

    Returns
    -------
    CTCDecoder
        Takes (B, T, V) float32 log-probabilities on the CPU.

    Raises
    ------
    InputError
        If KenLM cannot read the language model.

    Example
    -------
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> search = build_search(vocabulary, [("Hi", ("H", "I"))], None, beam_size=5)
    >>> type(search).__name__
    'CTCDecoder'
    """
    settings = {
        "tokens": list(vocabulary.tokens),
        "blank_token": BLANK,
        "sil_token": WORD_DELIMITER,
        "log_add": True,
        **settings,
    }
    if lexicon is None:
        return ctc_decoder(lexicon=None, **settings)
    # flashlight wants the lexicon as a file
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        for word, tokens in lexicon:
            print(word, *tokens, WORD_DELIMITER, file=file)
        file.flush()
        try:
            with _quiet_kenlm():
                return ctc_decoder(
                    file.name, lm=None if lm is None else str(lm), **settings
                )
        except RuntimeError as error:
            reason = str(error).splitlines()[-1]
            raise InputError(f"{lm}: KenLM cannot read it ({reason})") from error


@contextmanager
def _quiet_kenlm() -> Iterator[None]:
    """Hold back KenLM's progress report, which goes past ``sys.stderr``."""
    stderr = os.dup(2)
    with open(os.devnull, "wb") as sink:
        os.dup2(sink.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
