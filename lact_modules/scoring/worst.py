"""The utterances of a validation with the highest word error rates."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from lact_modules.scoring.error_rate import count_word_errors


class ScoredUtterance(NamedTuple):
    """An utterance with its word error rate in percent; signal (N,) at 16 kHz."""

    wer: float
    name: str
    reference: str
    hypothesis: str
    signal: Tensor

    def __str__(self) -> str:
        pair = show_pair(self.reference, self.hypothesis)
        return f"{self.name}, WER {self.wer:.0f} %\n{pair}"


class WorstUtterances:
    """Keep the utterances with the highest word error rates; no others' audio.

    Utterances without errors are not kept.
    """

    def __init__(self, num: int):
        self.num = num
        self.found: list[ScoredUtterance] = []

    def add(
        self,
        ids: Sequence[str],
        references: Sequence[str],
        hypotheses: Sequence[str],
        signals: Tensor,
        lengths: Tensor,
    ) -> None:
        """Score a batch; signals (B, N) are at 16 kHz, lengths (B,) in samples."""
        for index, (*errors, num_words) in enumerate(
            count_word_errors(references, hypotheses).tolist()
        ):
            if errors := sum(errors):
                wer = 100.0 * errors / max(num_words, 1)
                # a view would keep the whole batch in memory
                signal = signals[index, : lengths[index]].cpu().clone()
                texts = ids[index], references[index], hypotheses[index]
                self.found.append(ScoredUtterance(wer, *texts, signal))
        # the earlier one is first among equals
        self.found = sorted(self.found, key=lambda each: -each.wer)[: self.num]


def show_pair(reference: str, hypothesis: str) -> str:
    """Write a reference above its hypothesis, in two indented lines."""
    return f"  reference:  {reference}\n  hypothesis: {hypothesis}"
