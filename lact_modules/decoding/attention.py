"""Joint CTC and attention decoding: from both branches of a model to text."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.decoding.alignment import align_tokens
from lact_modules.decoding.blank_skipping import check_threshold, drop_blanks
from lact_modules.decoding.ctc import check_frames
from lact_modules.decoding.ctc_prefix import PrefixScorer, PrefixState
from lact_modules.decoding.hypothesis import Hypothesis, group_words
from lact_modules.decoding.numbers import MAX_BEAM, check_number
from lact_modules.encoders import S2SModel
from lact_modules.errors import InputError
from lact_modules.language_model.token_model import TokenModel

# Choices of each hypothesis that CTC scores, for each hypothesis kept.
_CHOICES = 2

Texts = dict[str, tuple[float, list[int]]]
"""Finished texts of an utterance, with the score and the tokens of each."""


@dataclass(frozen=True)
class _Beams:
    """Unfinished texts of some utterances: as many, K, and as long, of each.

    Dead ones score -inf.
    """

    # (B',) places of the utterances in the batch
    utterances: Tensor
    # (B' K, U + 1), from the beginning-of-sentence token on
    tokens: Tensor
    # (B' K,) float64, of the text decoder and the language model
    scores: Tensor
    decoder: Any
    lm: Any
    prefixes: PrefixState


class AttentionDecoder:
    """Search for the text that the text decoder and CTC agree on (arXiv 1609.06773).

    The score of a text is ``(1 - ctc_weight) log p_attention + ctc_weight log p_ctc +
    lm_weight log p_lm``, its end included; it is not divided by the text's length, as
    CTC does not prefer short texts. The search of an utterance ends when no unfinished
    text can become one of its `num_best`. Words get their times by aligning the text
    with CTC.

    SpeechBrain's search is not used: it bounds texts by the longest utterance of the
    batch, drops the last token of texts that never end, continues until all hypotheses
    of all utterances have ended, and loops over frames for CTC.

    Arguments
    ---------
    model : S2SModel
        Whose outputs are decoded, in evaluation mode.
    vocabulary : SubwordVocabulary
        Its tokens.
    beam_size : int
        Hypotheses kept after each token; 1 takes the text decoder's best token each
        time, without CTC and language model.
    ctc_weight : float
        Share of CTC, 0 to 1 (exclusive).
    lm : TokenModel | None
        Over the same tokens; reads texts from their beginning-of-sentence token on.
    lm_weight : float
        Weight of its log-probabilities, not negative.
    max_ratio : float
        Most tokens a frame, above 0 and at most 1; a text that long is ended.
    num_best : int
        Most hypotheses that :meth:`n_best` returns.
    skip_blanks : float | None
        Blank probability from which on CTC's score skips frames, see `BlankSkipper`.

    Raises
    ------
    InputError
        If a number is out of its range.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.decoders import TextDecoder
    >>> from lact_modules.encoders import Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import CausalMamba, CrossMamba, FeedForward, LaCTMixer
    >>> vocabulary = SubwordVocabulary.train(["ONE TWO", "TWO TEN"], num_tokens=12)
    >>> ffn = partial(FeedForward, 8, 16)
    >>> mixers = partial(CausalMamba, 8), partial(CrossMamba, 8)
    >>> model = S2SModel(
    ...     MelFrontend(8),
    ...     Encoder(8, 1, partial(LaCTMixer, 8, 2, 2), ffn),
    ...     TextDecoder(8, 1, len(vocabulary), *mixers, ffn),
    ...     len(vocabulary),
    ... ).eval()
    >>> decoder = AttentionDecoder(model, vocabulary, beam_size=3)
    >>> outputs = model(torch.randn(2, 16000), torch.tensor([16000, 0]))
    >>> [hypothesis.text for hypothesis in decoder(*outputs)][1:]
    ['']
    """

    def __init__(
        self,
        model: S2SModel,
        vocabulary: SubwordVocabulary,
        beam_size: int = 10,
        ctc_weight: float = 0.4,
        lm: TokenModel | None = None,
        lm_weight: float = 0.6,
        max_ratio: float = 1.0,
        num_best: int = 1,
        skip_blanks: float | None = None,
    ):
        check_number("beam_size", beam_size, 1, MAX_BEAM, whole=True)
        check_number("ctc_weight", ctc_weight, 0, below=1)
        check_number("lm_weight", lm_weight, 0)
        check_number("max_ratio", max_ratio, most=1, above=0)
        check_number("num_best", num_best, 1, whole=True)
        check_threshold(skip_blanks)
        self.skip_blanks = skip_blanks
        self.text_decoder = model.decoder
        self.vocabulary = vocabulary
        self.frame_rate = model.frame_rate
        self.beam_size = beam_size
        self.ctc_weight = ctc_weight if beam_size > 1 else 0.0
        self.lm = lm if beam_size > 1 else None
        self.lm_weight = lm_weight
        self.max_ratio = max_ratio
        self.num_best = num_best

    def __call__(
        self, log_probs: Tensor, lengths: Tensor, memory: Tensor, *_: Any
    ) -> list[Hypothesis]:
        """Decode a batch; see :meth:`n_best`, of which this is the first."""
        return [best[0] for best in self.n_best(log_probs, lengths, memory)]

    @torch.inference_mode()
    def n_best(
        self, log_probs: Tensor, lengths: Tensor, memory: Tensor, *_: Any
    ) -> list[list[Hypothesis]]:
        """Decode a batch to 1 to `num_best` different texts each, best first.

        `log_probs` (B, T, V) of the CTC branch, (B,) frames, and `memory` (B, T, D),
        which the text decoder reads. Raises InputError for another V or a valid frame
        of NaN.
        """
        check_frames(log_probs, lengths, self.vocabulary)
        found = self._search(log_probs, lengths, memory)
        pairs = zip(log_probs, lengths.tolist(), strict=True)
        frames = [utterance[:length] for utterance, length in pairs]
        return list(map(self._to_hypotheses, found, frames))

    def _search(
        self, log_probs: Tensor, lengths: Tensor, memory: Tensor
    ) -> list[Texts]:
        blank_id, searched = self.vocabulary.blank_id, (log_probs, lengths)
        if self.skip_blanks is not None:
            searched = drop_blanks(*searched, self.skip_blanks, blank_id)
        ctc = PrefixScorer(*searched, blank_id)
        # at least one token, but none without audio
        most = (self.max_ratio * lengths).long().clamp(min=1).minimum(lengths)
        beams = _Beams(
            utterances=torch.arange(len(lengths), device=lengths.device),
            tokens=torch.full_like(lengths, self.vocabulary.bos_id)[:, None],
            scores=torch.zeros_like(lengths, dtype=torch.float64),
            decoder=self.text_decoder.start(memory, lengths),
            lm=self.lm and self.lm.start(len(lengths)),
            prefixes=ctc.start(),
        )
        found: list[Texts] = [{} for _ in range(len(lengths))]
        while len(beams.utterances):
            beams = self._extend(beams, ctc, most, found)
        return found

    def _extend(
        self, beams: _Beams, ctc: PrefixScorer, most: Tensor, found: list[Texts]
    ) -> _Beams:
        """Make texts one token longer; move what ends to what is found."""
        scores, decoder, lm = self._score_tokens(beams)
        choices, decoder_scores, totals = self._choose(beams, scores, ctc, most)
        # (B' K, C) -> (B', K C): the choices of an utterance beside each other
        by_utterance = totals.unflatten(0, (len(beams.utterances), -1)).flatten(1)
        beam_size = min(self.beam_size, by_utterance.shape[1])
        totals, places = by_utterance.topk(beam_size, dim=1)
        first = torch.arange(len(places), device=places.device)[:, None]
        places = places + first * by_utterance.shape[1]
        tokens = choices.flatten()[places]
        is_end = tokens == self.vocabulary.eos_id
        rows = places // choices.shape[1]
        self._collect(beams, totals, rows, is_end, found)

        totals = totals.masked_fill(is_end, -torch.inf)
        decoder_scores = decoder_scores.flatten()[places].masked_fill(
            is_end, -torch.inf
        )
        # scores only fall as texts grow
        bars = [self._bar(found[i]) for i in beams.utterances.tolist()]
        keep = totals.amax(dim=1) > totals.new_tensor(bars)
        rows, tokens = rows[keep].flatten(), tokens[keep].flatten()
        return _Beams(
            utterances=beams.utterances[keep],
            tokens=torch.cat([beams.tokens[rows], tokens[:, None]], dim=1),
            scores=decoder_scores[keep].flatten(),
            decoder=decoder.select(rows),
            lm=lm and lm.select(rows),
            prefixes=ctc.advance(beams.prefixes, rows, tokens),
        )

    def _score_tokens(self, beams: _Beams) -> tuple[Tensor, Any, Any]:
        """Score texts with each next token, (R, V), by all but CTC; and new states."""
        last = beams.tokens[:, -1]
        log_probs, decoder = self.text_decoder.step(last, beams.decoder)
        scores, lm = (1 - self.ctc_weight) * log_probs.double(), None
        if self.lm is not None:
            log_probs, lm = self.lm.step(last, beams.lm)
            scores += self.lm_weight * log_probs
        if scores.isnan().any():
            models = "text decoder's" if self.lm is None else "decoder's or the LM's"
            raise InputError(f"the {models} output is NaN; use an earlier checkpoint")
        scores[:, [self.vocabulary.blank_id, self.vocabulary.bos_id]] = -torch.inf
        return beams.scores[:, None] + scores, decoder, lm

    def _choose(
        self, beams: _Beams, scores: Tensor, ctc: PrefixScorer, most: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the best tokens of each text and its end, their scores and totals.

        (R, C + 1) each.
        """
        eos_id = self.vocabulary.eos_id
        ends = scores[:, eos_id, None].clone()
        scores[:, eos_id] = -torch.inf
        is_over = beams.tokens.shape[1] > most[beams.prefixes.utterances]
        scores = scores.masked_fill(is_over[:, None], -torch.inf)
        num_choices = min(_CHOICES * self.beam_size, scores.shape[1])
        best, choices = scores.topk(num_choices, dim=1)
        decoder_scores = torch.cat([best, ends], dim=1)
        totals = decoder_scores
        if self.ctc_weight > 0:
            begun = ctc.extend(beams.prefixes, choices)
            ended = ctc.end(beams.prefixes)[:, None]
            totals = decoder_scores + self.ctc_weight * torch.cat([begun, ended], dim=1)
        choices = torch.cat([choices, torch.full_like(choices[:, :1], eos_id)], dim=1)
        return choices, decoder_scores, totals

    def _collect(
        self,
        beams: _Beams,
        totals: Tensor,
        rows: Tensor,
        is_end: Tensor,
        found: list[Texts],
    ) -> None:
        """Note the texts that end; the better one where spellings differ."""
        for i, k in (is_end & (totals > -torch.inf)).nonzero().tolist():
            tokens = beams.tokens[rows[i, k], 1:].tolist()
            texts, score = found[int(beams.utterances[i])], float(totals[i, k])
            text = self.vocabulary.decode(tokens)
            texts[text] = max((score, tokens), texts.get(text, (score, tokens)))

    def _bar(self, texts: Texts) -> float:
        """Return the score that a text must pass to be one of the best."""
        if len(texts) < self.num_best:
            return -torch.inf
        return sorted(score for score, _ in texts.values())[-self.num_best]

    def _to_hypotheses(self, texts: Texts, frames: Tensor) -> list[Hypothesis]:
        hypotheses = []
        for score, tokens in sorted(texts.values(), reverse=True)[: self.num_best]:
            starts = align_tokens(frames, tokens, self.vocabulary.blank_id)
            pieces = [self.vocabulary.tokens[token] for token in tokens]
            words = group_words(pieces, starts, self.frame_rate)
            hypotheses.append(Hypothesis.from_words(words, score))
        return hypotheses
