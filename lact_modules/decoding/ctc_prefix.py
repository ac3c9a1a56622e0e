"""CTC's prefix scores, for label-synchronous search."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lact_modules.ops.padding import padding_mask

# Infinite log-probabilities of tokens would make differences of their sums NaN.
_LEAST = -1e4


@dataclass(frozen=True)
class PrefixState:
    """R prefixes of texts, and their forward probabilities.

    Arguments
    ---------
    utterances : Tensor
        (R,) int64, which utterance each is for.
    last : Tensor
        (R,) int64, its last token; the blank for the empty text.
    by_token : Tensor
        (R, T + 1) float64, log-probability that the first t frames are exactly this
        prefix, and end with a frame of its last token.
    by_blank : Tensor
        (R, T + 1) float64, the same with a blank at the end.
    """

    utterances: Tensor
    last: Tensor
    by_token: Tensor
    by_blank: Tensor


class PrefixScorer:
    """CTC's probability of all texts with a given beginning (Watanabe et al. 2017).

    Algorithm 2 of "Hybrid CTC/attention architecture for end-to-end speech
    recognition", for (B, T, V) log-probabilities and (B,) frames, without a loop over
    frames: its recurrences over time are sums in the logarithmic domain, so that a GPU
    does them at once. Sums of whole utterances are subtracted, which takes float64.
    """

    def __init__(self, log_probs: Tensor, lengths: Tensor, blank_id: int = 0):
        self.blank_id = blank_id
        self.lengths = lengths
        self.is_padding = padding_mask(lengths, log_probs.shape[1])
        valid = log_probs.masked_fill(self.is_padding[..., None], 0.0)
        # (B, T, V) -> (B, V, T)
        self._frames = valid.mT

    def start(self) -> PrefixState:
        """Return the empty text of each utterance."""
        utterances = torch.arange(len(self.lengths), device=self.lengths.device)
        last = torch.full_like(utterances, self.blank_id)
        blanks = self._log_probs(utterances, last)
        by_blank = torch.cat([blanks.new_zeros(len(blanks), 1), blanks.cumsum(1)], 1)
        return PrefixState(
            utterances, last, torch.full_like(by_blank, -torch.inf), by_blank
        )

    def extend(self, state: PrefixState, tokens: Tensor) -> Tensor:
        """Score (R, C) texts that continue R beginnings with a token, in float64.

        Whatever follows; none of the tokens is the blank.
        """
        before = self._before(state, tokens)
        scores = before + self._log_probs(state.utterances[:, None], tokens)
        padding = self.is_padding[state.utterances, None]
        return scores.masked_fill(padding, -torch.inf).logsumexp(dim=-1)

    def end(self, state: PrefixState) -> Tensor:
        """Score the beginnings as whole texts: (R,) float64 log-probabilities."""
        total = torch.logaddexp(state.by_token, state.by_blank)
        frames = self.lengths[state.utterances, None]
        return total.gather(1, frames)[:, 0]

    def advance(self, state: PrefixState, rows: Tensor, tokens: Tensor) -> PrefixState:
        """Continue from the beginnings `rows` (R',), each by a token, not the blank."""
        parents = PrefixState(
            state.utterances[rows],
            state.last[rows],
            state.by_token[rows],
            state.by_blank[rows],
        )
        log_probs = self._log_probs(parents.utterances, tokens)
        by_token = _flow(self._before(parents, tokens[:, None])[:, 0], log_probs)
        blanks = torch.full_like(tokens, self.blank_id)
        blank_log_probs = self._log_probs(parents.utterances, blanks)
        by_blank = _flow(by_token[:, :-1], blank_log_probs)
        return PrefixState(parents.utterances, tokens, by_token, by_blank)

    def _log_probs(self, utterances: Tensor, tokens: Tensor) -> Tensor:
        """Look up tokens at all frames: float64, with T as the last dimension."""
        return self._frames[utterances, tokens].double().clamp(min=_LEAST)

    def _before(self, state: PrefixState, tokens: Tensor) -> Tensor:
        """Return how likely a token begins at each frame: (R, C, T)."""
        # a token may follow itself only after a blank
        again = (tokens == state.last[:, None])[..., None]
        by_blank = state.by_blank[:, None, :-1]
        return torch.where(
            again, by_blank, torch.logaddexp(state.by_token[:, None, :-1], by_blank)
        )


def _flow(inflow: Tensor, stay: Tensor) -> Tensor:
    """Solve ``y_t = log(exp(y_{t-1}) + exp(inflow_t)) + stay_t`` from -inf.

    (R, T) and (R, T) to (R, T + 1).
    """
    total = stay.cumsum(dim=1)
    y = total + (inflow - (total - stay)).logcumsumexp(dim=1)
    return torch.cat([y.new_full((len(y), 1), -torch.inf), y], dim=1)
