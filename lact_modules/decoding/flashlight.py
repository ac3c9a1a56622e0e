"""The seam to flashlight's beam search."""

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from flashlight.lib.text.decoder import (
    CriterionType,
    LexiconDecoder,
    LexiconDecoderOptions,
    LexiconFreeDecoder,
    LexiconFreeDecoderOptions,
    SmearingMode,
    Trie,
    ZeroLM,
)
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from torch import Tensor

from lact_modules.data.vocabulary import WORD_DELIMITER, Vocabulary
from lact_modules.decoding.lexicon import Lexicon
from lact_modules.errors import InputError

# flashlight asks for such a word; its score of minus infinity keeps it out
_UNKNOWN = "<unk>"


class Found(NamedTuple):
    """One hypothesis of a search.

    Arguments
    ---------
    score : float
        The higher the better.
    tokens : list[str]
        Collapsed, without blanks; perhaps led by a delimiter.
    frames : list[int]
        At which each begins; -1 for the delimiter that leads.
    words : list[str]
        Names of the words that the lexicon has found complete; empty without one.
    """

    score: float
    tokens: list[str]
    frames: list[int]
    words: list[str]


class Search:
    """A search that sums over alignments; each word ends with a delimiter.

    Arguments
    ---------
    vocabulary : Vocabulary
        Tokens of the model.
    lexicon : Lexicon | None
        Words that may come out; any spelling if None.
    lm : str | Path | None
        Language model that KenLM reads; wants a lexicon.
    word_score : float
        Added for each word of a lexicon.
    **settings : Any
        ``beam_size``, ``beam_threshold`` and ``lm_weight`` of flashlight's options.

    Raises
    ------
    InputError
        If KenLM cannot read the language model.

    Example
    -------
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> lexicon, settings = [("Hi", ("H", "I"))], {"beam_size": 5, "lm_weight": 1.0}
    >>> search = Search(vocabulary, lexicon, None, beam_threshold=25.0, **settings)
    >>> frames = torch.nn.functional.one_hot(torch.tensor([2, 0, 3, 1])).float()
    >>> search.begin()
    >>> search.step(20 * frames)
    >>> max(search.found()).words
    ['Hi']
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        lexicon: Lexicon | None,
        lm: str | Path | None,
        *,
        word_score: float = 0.0,
        **settings: Any,
    ):
        self._vocabulary = vocabulary
        settings = {
            "beam_size_token": len(vocabulary),
            "sil_score": 0.0,
            "log_add": True,
            "criterion_type": CriterionType.CTC,
            **settings,
        }
        ids = vocabulary.tokens.index(WORD_DELIMITER), vocabulary.blank_id
        self._lm: Any = ZeroLM()
        if lexicon is None:
            options = LexiconFreeDecoderOptions(**settings)
            self._make = lambda: LexiconFreeDecoder(options, self._lm, *ids, [])
        else:
            names = dict.fromkeys((*(word for word, _ in lexicon), _UNKNOWN))
            self._words = Dictionary(list(names))
            if lm is not None:
                self._lm = _load_kenlm(lm, self._words)
            self._trie = self._build_trie(lexicon)
            options = LexiconDecoderOptions(
                word_score=word_score, unk_score=-inf, **settings
            )
            unknown = self._words.get_index(_UNKNOWN)
            self._make = lambda: LexiconDecoder(
                options, self._trie, self._lm, *ids, unknown, [], False
            )
        self._decoder = self._make()

    def fork(self) -> "Search":
        """Give another search with the same language model and lexicon."""
        other = copy.copy(self)
        other._decoder = self._make()
        return other

    def begin(self) -> None:
        """Forget what has been searched."""
        self._decoder.decode_begin()

    def step(self, log_probs: Tensor) -> None:
        """Go on with finite log-probabilities (T, V) of some frames."""
        frames = log_probs.to("cpu", torch.float32).contiguous()
        self._decoder.decode_step(frames.data_ptr(), *frames.shape)

    def end(self) -> None:
        """Add what the language model says of the text's end, and sort."""
        self._decoder.decode_end()

    def found(self) -> list[Found]:
        """Give what is in the beam; best first, and only then, after the end."""
        return [
            self._to_found(result)
            for result in self._decoder.get_all_final_hypothesis()
        ]

    def _to_found(self, result: Any) -> Found:
        path = np.asarray(result.tokens)
        starts = np.flatnonzero(np.diff(path, prepend=-1))
        starts = starts[path[starts] != self._vocabulary.blank_id]
        tokens = [self._vocabulary.tokens[i] for i in path[starts].tolist()]
        # flashlight counts from a frame before the first
        frames = (starts - 1).tolist()
        words = [self._words.get_entry(word) for word in result.words if word >= 0]
        return Found(result.score, tokens, frames, words)

    def _build_trie(self, lexicon: Lexicon) -> Trie:
        ids = {token: index for index, token in enumerate(self._vocabulary.tokens)}
        trie = Trie(len(ids), ids[WORD_DELIMITER])
        start = self._lm.start(False)
        for word, tokens in lexicon:
            index = self._words.get_index(word)
            _, score = self._lm.score(start, index)
            spelling = [ids[token] for token in (*tokens, WORD_DELIMITER)]
            trie.insert(spelling, index, score)
        trie.smear(SmearingMode.MAX)
        return trie


def _load_kenlm(path: str | Path, words: Dictionary) -> KenLM:
    try:
        with _quiet_kenlm():
            return KenLM(str(path), words)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1]
        raise InputError(f"{path}: KenLM cannot read it ({reason})") from error


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
