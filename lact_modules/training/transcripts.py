"""What was said and what was heard, gathered over a stage."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
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


def write_transcripts(
    path: str | Path,
    ids: Sequence[str],
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> None:
    r"""Write what was said and what was heard, an utterance a line, for comparisons.

    Arguments
    ---------
    path : str | Path
        JSON lines, ``{"id": ..., "ref": ..., "hyp": ...}``; its folder must exist.
    ids : Sequence[str]
        Utterance ids.
    references : Sequence[str]
        What was said, in the order of `ids`.
    hypotheses : Sequence[str]
        What was recognized, in the order of `ids`.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "transcripts_test.jsonl"
    >>> write_transcripts(path, ["a"], ["ONE TWO"], ["ONE TEN"])
    >>> path.read_text()
    '{"id": "a", "ref": "ONE TWO", "hyp": "ONE TEN"}\n'
    """
    with open(path, "w", encoding="utf-8") as stream:
        for name, said, heard in zip(ids, references, hypotheses, strict=True):
            entry = {"id": name, "ref": said, "hyp": heard}
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
