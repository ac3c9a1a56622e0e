"""What was said and what was heard, gathered over a stage."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.training.error_rate import ErrorRate, score

Decoder = Callable[[Tensor, Tensor], list[Hypothesis]]


class Transcripts:
    """References and the hypotheses of one or several decoders.

    Arguments
    ---------
    decoders : dict[str, Decoder]
        By name; each is given the model's outputs.

    Example
    -------
    >>> def echo(texts):
    ...     return [Hypothesis(text, words=(), score=0.0) for text in texts]
    >>> transcripts = Transcripts({"echo": echo})
    >>> transcripts.add(["a"], ["ONE TWO"], (["ONE TEN"],))
    >>> transcripts.rates("echo").wer
    50.0
    """

    def __init__(self, decoders: dict[str, Decoder]):
        self.decoders = decoders
        self.ids: list[str] = []
        self.references: list[str] = []
        self.hypotheses: dict[str, list[str]] = {name: [] for name in decoders}
        self.decoding_s = dict.fromkeys(decoders, 0.0)

    def add(self, ids: Sequence[str], references: Sequence[str], outputs: Any) -> None:
        """Decode a batch's outputs with every decoder."""
        self.ids += ids
        self.references += references
        for name, decoder in self.decoders.items():
            started = time.perf_counter()
            self.hypotheses[name] += [h.text for h in decoder(*outputs)]
            self.decoding_s[name] += time.perf_counter() - started

    def rates(self, name: str, num_bootstrap: int = 1000) -> ErrorRate:
        """Score a decoder over all that was added."""
        return score(
            self.references, self.hypotheses[name], num_bootstrap=num_bootstrap
        )
