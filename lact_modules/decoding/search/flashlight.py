"""The seam to flashlight's beam search."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flashlight.lib.text.decoder import (
    CriterionType,
    LexiconFreeDecoder,
    LexiconFreeDecoderOptions,
    ZeroLM,
)
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary
from torch import Tensor

from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.decoding.search.found import IMPOSSIBLE, Found, Weights
from lact_modules.errors import InputError
from lact_modules.language_model.ngram_file import opened_for_kenlm

# The likeliest of a frame; with thousands of tokens all others take time and memory.
_MOST_TOKENS = 100


class Search:
    """A search that sums over alignments; see `word_search.make_search`.

    `names` are the words that the language model scores. Raises InputError if KenLM
    cannot read it.
    """

    def __init__(
        self,
        vocabulary: AnyVocabulary,
        names: Sequence[str],
        lm: str | Path | None,
        weights: Weights,
        beam_size: int,
        beam_threshold: float,
    ):
        self._tokens = vocabulary.tokens
        self._token_ids = {token: index for index, token in enumerate(self._tokens)}
        self._blank = vocabulary.blank_id
        delimiter = vocabulary.delimiter
        # with what flashlight ends texts
        self._delimiter = self._token_ids[delimiter] if delimiter else self._blank
        # the token of each column that is searched
        self._columns = [*range(len(vocabulary))]
        allowed = {*vocabulary.letters, vocabulary.tokens[self._blank], delimiter}
        self._disallowed = [
            i for i, t in enumerate(vocabulary.tokens) if t not in allowed
        ]
        self._lm_path = lm
        self._weights = weights
        self._names = Dictionary(list(names))
        self._lm: Any = ZeroLM() if lm is None else _load_kenlm(lm, self._names)
        self._settings = {
            "beam_size": beam_size,
            "beam_size_token": min(len(vocabulary), _MOST_TOKENS),
            "beam_threshold": beam_threshold,
            "lm_weight": weights.lm,
            "sil_score": 0.0,
            "log_add": True,
            "criterion_type": CriterionType.CTC,
        }
        self._is_over = False
        self._decoder: Any = None

    def _make(self) -> Any:
        """Make flashlight's decoder."""
        raise NotImplementedError

    def fork(self) -> "Search":
        """Return another search with the same language model and lexicon."""
        other = copy.copy(self)
        other._decoder = other._make()
        return other

    def begin(self) -> None:
        """Forget what has been searched."""
        self._is_over = False
        self._decoder.decode_begin()

    def step(self, log_probs: Tensor) -> None:
        """Continue with finite log-probabilities (T, V) of some frames."""
        frames = log_probs.to("cpu", torch.float32)
        if self._disallowed:
            frames = frames.index_fill(1, torch.tensor(self._disallowed), IMPOSSIBLE)
        if len(self._columns) > frames.shape[1]:
            frames = frames[:, self._columns]
        frames = frames.contiguous()
        self._decoder.decode_step(frames.data_ptr(), *frames.shape)

    def end(self) -> None:
        """Add the language model's score of the text's end, and sort."""
        self._is_over = True
        self._decoder.decode_end()

    def found(self) -> list[Found]:
        """Return what is in the beam; best first, and only then, after the end.

        Raises InputError if no text is possible under the language model.
        """
        results = self._decoder.get_all_final_hypothesis()
        if not results:
            raise InputError(
                f"{self._lm_path}: gives no text a probability; damaged, take another"
            )
        return list(map(self._to_found, results))

    def _to_found(self, result: Any) -> Found:
        path = np.asarray(self._columns)[result.tokens]
        starts = np.flatnonzero(np.diff(path, prepend=-1))
        starts = starts[path[starts] != self._blank]
        tokens = [self._tokens[i] for i in path[starts].tolist()]
        # flashlight counts from a frame before the first
        frames = (starts - 1).tolist()
        return Found(result.score, tokens, frames)


class SpellingSearch(Search):
    """Any spelling is possible; a language model is one of tokens."""

    def __init__(
        self, vocabulary: AnyVocabulary, lm: str | Path | None, **options: Any
    ):
        super().__init__(vocabulary, vocabulary.tokens, lm, **options)
        self._decoder = self._make()

    def _make(self) -> Any:
        options = LexiconFreeDecoderOptions(**self._settings)
        return LexiconFreeDecoder(options, self._lm, self._delimiter, self._blank, [])


def _load_kenlm(path: str | Path, names: Dictionary) -> KenLM:
    with opened_for_kenlm(path) as plain:
        return KenLM(plain, names)
