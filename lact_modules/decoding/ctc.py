"""CTC decoders: from a model's log-probabilities to text with word times."""

import heapq
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchaudio.models.decoder import CTCHypothesis

from lact_modules.data.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.data.vocabulary import WORD_DELIMITER, Vocabulary
from lact_modules.decoding.arpa import read_words
from lact_modules.decoding.flashlight import build_search
from lact_modules.decoding.greedy_stream import GreedyStream
from lact_modules.decoding.hypothesis import Hypothesis, group_words
from lact_modules.decoding.lexicon import Lexicon, read_lexicon, spell_words
from lact_modules.errors import InputError

IMPOSSIBLE = -1e4
"""Log-probability of what cannot be; sums of infinities would be NaN."""


class GreedyDecoder:
    """Take the best token of each frame.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.

    Example
    -------
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> frames = torch.tensor([[0, 2, 2, 0, 3, 1]])
    >>> log_probs = torch.nn.functional.one_hot(frames, len(vocabulary)).log()
    >>> decoder = GreedyDecoder(vocabulary, frame_rate=10.0)
    >>> decoder(log_probs, torch.tensor([6]))[0].words
    (Word(word='HI', start=0.1, end=0.5),)
    """

    def __init__(self, vocabulary: AnyVocabulary, frame_rate: float):
        self.vocabulary = vocabulary
        self._stream = GreedyStream(vocabulary, frame_rate)

    def __call__(self, log_probs: Tensor, lengths: Tensor, *_: Any) -> list[Hypothesis]:
        """Decode a batch; what else a model puts out is not looked at.

        Arguments
        ---------
        log_probs : Tensor
            (B, T, V) any floating dtype and device, computed in float32; frames
            beyond the lengths are not looked at.
        lengths : Tensor
            (B,) int64 frames.

        Returns
        -------
        list[Hypothesis]
            One an utterance; the score is that of the best path.

        Raises
        ------
        InputError
            If V is not the vocabulary's size or a valid frame is NaN.
        """
        valid = valid_frames(log_probs, lengths, self.vocabulary)
        stream = self._stream
        return [
            stream.finish(stream.accept(frames, stream.start())) for frames in valid
        ]


class BeamDecoder:
    """Search for the best text over all its alignments, on the CPU (flashlight).

    The score is the log-probability of the text, plus `lm_weight` times log10 of
    the text's probability by the language model, plus `word_score` a word. With a
    language model or a lexicon only words of the lexicon come out. Without either,
    any spelling may.

    Arguments
    ---------
    vocabulary : Vocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.
    beam_size : int
        Hypotheses kept after each frame.
    lm : str | Path | None
        Language model of words: ARPA or KenLM binary.
    lexicon : str | Path | None
        See :func:`~lact_modules.decoding.lexicon.read_lexicon`. If None, the words
        of the ARPA file are spelled by their characters.
    lm_weight : float
        Weight of the language model.
    word_score : float
        Added for each word; positive favours more words.
    beam_threshold : float
        Hypotheses this far below the best are dropped.
    num_best : int
        Most hypotheses that :meth:`n_best` gives.

    Raises
    ------
    InputError
        If the language model or the lexicon is missing, damaged, or has no word
        that the vocabulary can spell; if a binary comes without a lexicon.

    Example
    -------
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> frames = torch.tensor([[0, 2, 2, 0, 3, 1]])
    >>> log_probs = torch.nn.functional.one_hot(frames, len(vocabulary)).log()
    >>> decoder = BeamDecoder(vocabulary, frame_rate=10.0, beam_size=5)
    >>> decoder(log_probs, torch.tensor([6]))[0].text
    'HI'
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        frame_rate: float,
        beam_size: int = 50,
        lm: str | Path | None = None,
        lexicon: str | Path | None = None,
        lm_weight: float = 1.5,
        word_score: float = 0.0,
        beam_threshold: float = 25.0,
        num_best: int = 1,
    ):
        self.vocabulary = vocabulary
        self.frame_rate = frame_rate
        self.num_best = num_best
        self._lexicon = _load_lexicon(vocabulary, lm, lexicon)
        self._search = build_search(
            vocabulary,
            self._lexicon,
            lm,
            beam_size=beam_size,
            beam_threshold=beam_threshold,
            lm_weight=lm_weight,
            word_score=word_score,
            nbest=beam_size,
        )
        # One more frame that can only be a delimiter ends the last word.
        self._ending = torch.full((1, len(vocabulary)), IMPOSSIBLE)
        self._ending[0, vocabulary.tokens.index(WORD_DELIMITER)] = 0.0

    def __call__(self, log_probs: Tensor, lengths: Tensor, *_: Any) -> list[Hypothesis]:
        """Decode a batch; see :meth:`n_best`, of which this is the first."""
        return [best[0] for best in self.n_best(log_probs, lengths)]

    def n_best(
        self, log_probs: Tensor, lengths: Tensor, *_: Any
    ) -> list[list[Hypothesis]]:
        """Decode a batch to several different texts an utterance.

        What else a model puts out is not looked at.

        Arguments
        ---------
        log_probs : Tensor
            (B, T, V) any floating dtype and device, computed in float32; frames
            beyond the lengths are not looked at.
        lengths : Tensor
            (B,) int64 frames.

        Returns
        -------
        list[list[Hypothesis]]
            For each utterance 1 to `num_best` hypotheses, best first.

        Raises
        ------
        InputError
            If V is not the vocabulary's size or a valid frame is NaN.
        """
        valid = valid_frames(log_probs, lengths, self.vocabulary)
        return [self._decode(frames) for frames in valid]

    def _decode(self, frames: Tensor) -> list[Hypothesis]:
        ended = torch.cat([frames.clamp(min=IMPOSSIBLE), self._ending])
        # flashlight keeps texts apart that differ in repeated delimiters alone
        same_text: dict[str, list[Hypothesis]] = {}
        for found in self._search(ended[None])[0]:
            hypothesis = self._to_hypothesis(found)
            same_text.setdefault(hypothesis.text, []).append(hypothesis)
        merged = [
            replace(
                group[0], score=float(np.logaddexp.reduce([h.score for h in group]))
            )
            for group in same_text.values()
        ]
        return heapq.nlargest(self.num_best, merged, key=lambda found: found.score)

    def _to_hypothesis(self, found: CTCHypothesis) -> Hypothesis:
        tokens = [self.vocabulary.tokens[i] for i in found.tokens.tolist()]
        # flashlight counts from a frame before the first
        frames = (found.timesteps - 1).tolist()
        words = group_words(tokens, frames, self.frame_rate)
        if self._lexicon is not None:
            # a word that the audio cuts off is spelled but not named
            named = zip(words, found.words, strict=False)
            words = [replace(word, word=name) for word, name in named]
        return Hypothesis.from_words(words, found.score)


def build_decoder(
    vocabulary: AnyVocabulary,
    frame_rate: float,
    *,
    beam_size: int = 0,
    lm: str | Path | None = None,
    lexicon: str | Path | None = None,
    **settings: Any,
) -> GreedyDecoder | BeamDecoder:
    """Make the decoder that a user asks for.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.
    beam_size : int
        Hypotheses to keep; 0 and 1 mean the greedy decoder.
    lm : str | Path | None
        Language model, for beam search.
    lexicon : str | Path | None
        Lexicon, for beam search.
    **settings : Any
        Other arguments of :class:`BeamDecoder`.

    Returns
    -------
    GreedyDecoder | BeamDecoder
        Called with (B, T, V) log-probabilities and (B,) lengths.

    Raises
    ------
    InputError
        If a language model or lexicon comes without beam search, or does not serve;
        if beam search is asked for over subwords.

    Example
    -------
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> type(build_decoder(vocabulary, 25.0, beam_size=20)).__name__
    'BeamDecoder'
    """
    if beam_size > 1:
        if isinstance(vocabulary, SubwordVocabulary):
            raise InputError(
                f"beam_size {beam_size}: the CTC beam search spells words with "
                "characters; models of subwords search with attention, or greedily"
            )
        return BeamDecoder(vocabulary, frame_rate, beam_size, lm, lexicon, **settings)
    for path in (lm, lexicon):
        if path is not None:
            raise InputError(f"{path}: needs beam search; give a beam size above 1")
    return GreedyDecoder(vocabulary, frame_rate)


def valid_frames(
    log_probs: Tensor, lengths: Tensor, vocabulary: AnyVocabulary
) -> Iterator[Tensor]:
    """Cut a padded batch into utterances on the CPU.

    Arguments
    ---------
    log_probs : Tensor
        (B, T, V) any floating dtype and device.
    lengths : Tensor
        (B,) int64 frames.
    vocabulary : AnyVocabulary
        Tokens of the model.

    Yields
    ------
    Tensor
        (T, V) float32 of each utterance, without padding.

    Raises
    ------
    InputError
        If V is not the vocabulary's size or a valid frame is NaN.
    """
    if log_probs.shape[-1] != len(vocabulary):
        raise InputError(
            f"the model has {log_probs.shape[-1]} outputs, its vocabulary "
            f"{len(vocabulary)} tokens; give the vocabulary it was trained with"
        )
    batch = log_probs.detach().float().cpu()
    for utterance, length in zip(batch, lengths.tolist(), strict=True):
        frames = utterance[:length]
        if frames.isnan().any():
            raise InputError("the model's output is NaN; use an earlier checkpoint")
        yield frames


def _load_lexicon(
    vocabulary: Vocabulary, lm: str | Path | None, lexicon: str | Path | None
) -> Lexicon | None:
    if lexicon is not None:
        return read_lexicon(lexicon, vocabulary)
    if lm is None:
        return None
    return spell_words(read_words(lm), vocabulary, str(lm))
