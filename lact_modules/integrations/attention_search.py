"""Joint CTC and attention decoding, by SpeechBrain's beam search."""

from itertools import islice
from typing import Any

import torch
from speechbrain.decoders.scorer import CTCScorer, ScorerBuilder, TransformerLMScorer
from speechbrain.decoders.seq2seq import S2SBeamSearcher
from torch import Tensor, nn

from lact_modules.data.subwords import SubwordVocabulary
from lact_modules.decoders import DecoderState
from lact_modules.decoding.alignment import align_tokens
from lact_modules.decoding.ctc import valid_frames
from lact_modules.decoding.hypothesis import Hypothesis, group_words
from lact_modules.encoders.s2s_model import S2SModel, TokenDecoder
from lact_modules.errors import InputError

# SpeechBrain scores what is forbidden by -1e20, times a weight: far below this.
_LEAST_SCORE = -1e10


class AttentionDecoder:
    """Search for the text that the text decoder and CTC agree on (arXiv 1609.06773).

    The score of a text is ``(1 - ctc_weight) log p_attention + ctc_weight log p_ctc +
    lm_weight log p_lm``, its end included. Words get their times by aligning the text
    with the CTC branch.

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
        Share of CTC's prefix probabilities, 0 to 1 (exclusive).
    lm : nn.Module | None
        SpeechBrain's TransformerLM over the same tokens, in evaluation mode.
    lm_weight : float
        Weight of its log-probabilities.
    max_ratio : float
        Most tokens a frame, above 0 and at most 1; a text that long is ended.
    num_best : int
        Most hypotheses that :meth:`n_best` gives.

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
        lm: nn.Module | None = None,
        lm_weight: float = 0.6,
        max_ratio: float = 1.0,
        num_best: int = 1,
    ):
        if beam_size < 1:
            raise InputError(f"beam_size {beam_size}: must be at least 1")
        if not 0 <= ctc_weight < 1:
            raise InputError(f"ctc_weight {ctc_weight}: must be in [0, 1)")
        if not 0 < max_ratio <= 1:
            raise InputError(f"max_ratio {max_ratio}: must be in (0, 1]")
        self.vocabulary = vocabulary
        self.frame_rate = model.frame_rate
        self.num_best = num_best
        # a text's first token has no more choices
        beam_size = min(beam_size, len(vocabulary) - len(vocabulary.silent_ids))
        scorer = None
        if beam_size > 1:
            scorer = _build_scorer(model, vocabulary, ctc_weight, lm, lm_weight)
        self._search = _Searcher(
            model.decoder, vocabulary, beam_size, max_ratio, scorer
        )

    def __call__(
        self, log_probs: Tensor, lengths: Tensor, memory: Tensor, *_: Any
    ) -> list[Hypothesis]:
        """Decode a batch; see :meth:`n_best`, of which this is the first."""
        return [best[0] for best in self.n_best(log_probs, lengths, memory)]

    @torch.inference_mode()
    def n_best(
        self, log_probs: Tensor, lengths: Tensor, memory: Tensor, *_: Any
    ) -> list[list[Hypothesis]]:
        """Decode a batch to several different texts an utterance.

        Arguments
        ---------
        log_probs : Tensor
            (B, T, V), of the CTC branch.
        lengths : Tensor
            (B,) int64 frames; what stands beyond has no influence.
        memory : Tensor
            (B, T, D), what the text decoder reads. What else a model gives is not
            looked at.

        Returns
        -------
        list[list[Hypothesis]]
            For each utterance 1 to `num_best` hypotheses, best first.

        Raises
        ------
        InputError
            If V is not the vocabulary's size or a valid frame is NaN.
        """
        frames = list(valid_frames(log_probs, lengths, self.vocabulary))
        heard = lengths > 0
        found = [[([], 0.0)] for _ in frames]
        if heard.any():
            texts = self._search.find(memory[heard], lengths[heard])
            for i, text in zip(heard.nonzero().flatten().tolist(), texts, strict=True):
                found[i] = text
        return [
            self._to_hypotheses(texts, utterance)
            for texts, utterance in zip(found, frames, strict=True)
        ]

    def _to_hypotheses(
        self, texts: list[tuple[list[int], float]], frames: Tensor
    ) -> list[Hypothesis]:
        # the same text may be spelled in several ways, the best comes first
        spellings: dict[str, tuple[list[int], float]] = {}
        for tokens, score in texts:
            spellings.setdefault(self.vocabulary.decode(tokens), (tokens, score))
        hypotheses = []
        for tokens, score in islice(spellings.values(), self.num_best):
            starts = align_tokens(frames, tokens, self.vocabulary.blank_id)
            pieces = [self.vocabulary.tokens[token] for token in tokens]
            words = group_words(pieces, starts, self.frame_rate)
            hypotheses.append(Hypothesis.from_words(words, score))
        return hypotheses


class _Searcher(S2SBeamSearcher):
    """SpeechBrain's beam search over a text decoder, made batch-invariant.

    SpeechBrain bounds texts by the length of the padded batch, and cuts the last
    token off those that never end. Here each text has to end by its own utterance's
    length, so that neither comes up.
    """

    def __init__(
        self,
        decoder: TokenDecoder,
        vocabulary: SubwordVocabulary,
        beam_size: int,
        max_ratio: float,
        scorer: ScorerBuilder | None,
    ):
        super().__init__(
            bos_index=vocabulary.bos_id,
            eos_index=vocabulary.eos_id,
            min_decode_ratio=0.0,
            max_decode_ratio=1.0,
            beam_size=beam_size,
            scorer=scorer,
            return_topk=True,
            topk=beam_size,
            using_eos_threshold=False,
            # it would not change the search, but how texts of it are ranked
            length_normalization=False,
        )
        self.decoder = decoder
        self.max_ratio = max_ratio
        self.num_tokens = len(vocabulary)
        self.never_said = [vocabulary.blank_id, vocabulary.bos_id]

    def find(
        self, memory: Tensor, lengths: Tensor
    ) -> list[list[tuple[list[int], float]]]:
        """Give each utterance's texts and their scores, best first."""
        # SpeechBrain's lengths are relative, and the longest has to be 1
        memory = memory[:, : int(lengths.max())]
        texts, _, scores, _ = self(memory, lengths / memory.shape[1])
        return [
            [
                (tokens[: tokens.index(self.eos_index)], score)
                for tokens, score in zip(*utterance, strict=True)
                if score > _LEAST_SCORE
            ]
            for utterance in zip(texts.tolist(), scores.tolist(), strict=True)
        ]

    def set_n_out(self) -> int:
        return self.num_tokens

    def change_max_decoding_length(
        self, min_decode_steps: int, max_decode_steps: int
    ) -> tuple[int, int]:
        # one more, for the end
        return min_decode_steps, max_decode_steps + 1

    def reset_mem(self, batch_size: int, device: torch.device) -> None:
        return None

    def permute_mem(self, memory: DecoderState, index: Tensor) -> DecoderState:
        return memory.select(index)

    def forward_step(
        self,
        inp_tokens: Tensor,
        memory: DecoderState | None,
        enc_states: Tensor,
        enc_lens: Tensor,
    ) -> tuple[Tensor, DecoderState, None]:
        if memory is None:
            memory = self._start(enc_states, enc_lens)
        log_probs, memory = self.decoder.step(inp_tokens, memory)
        if log_probs.isnan().any():
            raise InputError(
                "the text decoder's output is NaN; use an earlier checkpoint"
            )
        log_probs[:, self.never_said] = self.minus_inf
        most = (self.max_ratio * enc_lens).long().clamp(min=1)
        is_over = memory.num_tokens > most
        ends = log_probs[:, self.eos_index].clone()
        log_probs = log_probs.masked_fill(is_over[:, None], self.minus_inf)
        log_probs[:, self.eos_index] = ends
        return log_probs, memory, None

    def _start(self, enc_states: Tensor, enc_lens: Tensor) -> DecoderState:
        # every utterance stands there once for each hypothesis
        state = self.decoder.start(
            enc_states[:: self.beam_size], enc_lens[:: self.beam_size]
        )
        rows = torch.arange(len(enc_states), device=enc_states.device)
        return state.select(rows // self.beam_size)


def _build_scorer(
    model: S2SModel,
    vocabulary: SubwordVocabulary,
    ctc_weight: float,
    lm: nn.Module | None,
    lm_weight: float,
) -> ScorerBuilder:
    """Score all tokens by the language model, and only the best of them by CTC."""
    weights, on_all, on_best = {}, [], []
    if lm is not None:
        weights["transformerlm"] = lm_weight
        on_all.append(TransformerLMScorer(lm))
    if ctc_weight > 0:
        weights["ctc"] = ctc_weight
        scorer = CTCScorer(model.output, vocabulary.blank_id, vocabulary.eos_id)
        on_best.append(scorer)
    return ScorerBuilder(weights, full_scorers=on_all, partial_scorers=on_best)
