"""The utterances of a validation with the highest word error rates."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from lact_modules.scoring.error_rate import count_word_errors


class ScoredUtterance(NamedTuple):
    """An utterance with its reference and a hypothesis.

    Arguments
    ---------
    wer : float
        Its word error rate in percent.
    name : str
        Its id.
    reference : str
        Its transcript.
    hypothesis : str
        What was recognized.
    signal : Tensor
        (N,) float32 at 16 kHz.
    """

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

    Arguments
    ---------
    num : int
        How many at most; utterances without an error are none of them.

    Example
    -------
    >>> import torch
    >>> worst = WorstUtterances(1)
    >>> signals, lengths = torch.zeros(2, 8), torch.tensor([8, 6])
    >>> worst.add(["a", "b"], ["ONE", "TEN"], ["ONE", "TIN"], signals, lengths)
    >>> [(each.name, each.wer, len(each.signal)) for each in worst.found]
    [('b', 100.0, 6)]
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
        """Judge a batch.

        Arguments
        ---------
        ids : Sequence[str]
            Of the utterances.
        references : Sequence[str]
            Their transcripts.
        hypotheses : Sequence[str]
            What was recognized.
        signals : Tensor
            (B, N) float32 at 16 kHz, padded.
        lengths : Tensor
            (B,) valid samples, int64.
        """
        for index, (*errors, num_words) in enumerate(
            count_word_errors(references, hypotheses).tolist()
        ):
            if errors := sum(errors):
                wer = 100.0 * errors / max(num_words, 1)
                # a view would keep the whole batch in memory
                signal = signals[index, : lengths[index]].cpu().clone()
                texts = ids[index], references[index], hypotheses[index]
                self.found.append(ScoredUtterance(wer, *texts, signal))
        # what came first stands first among equals
        self.found = sorted(self.found, key=lambda each: -each.wer)[: self.num]


def show_pair(reference: str, hypothesis: str) -> str:
    """Write a reference above its hypothesis, in two indented lines.

    Arguments
    ---------
    reference : str
        A transcript.
    hypothesis : str
        What was recognized.

    Returns
    -------
    str
        Without a line break at the end.

    Example
    -------
    >>> print(show_pair("ONE TWO", "ONE TEN"))
      reference:  ONE TWO
      hypothesis: ONE TEN
    """
    return f"  reference:  {reference}\n  hypothesis: {hypothesis}"
