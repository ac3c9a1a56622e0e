"""References and hypotheses, gathered over a stage."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.rescore import (
    Decoder,
    NBest,
    RescoringDecoder,
    list_best,
    oracle,
)
from lact_modules.scoring.error_rate import ErrorRate, score
from lact_modules.whole_file import write_whole


class Transcripts:
    """References and the hypotheses of one or several decoders.

    A decoder that rescores what an earlier one found does not search again.
    """

    def __init__(self, decoders: dict[str, Decoder]):
        self.decoders = decoders
        self.ids: list[str] = []
        self.references: list[str] = []
        self.hypotheses: dict[str, list[str]] = {name: [] for name in decoders}
        self.decoding_s = dict.fromkeys(decoders, 0.0)
        self.all_decoding_s = 0.0
        self._n_best: dict[str, NBest] = {name: [] for name in decoders}

    def add(self, ids: Sequence[str], references: Sequence[str], outputs: Any) -> None:
        """Decode a batch's outputs with every decoder."""
        found = self.decode(outputs)
        for name, reference, lists in zip(ids, references, found, strict=True):
            self.record(name, reference, lists)

    @torch.inference_mode()
    def decode(self, outputs: Any) -> list[dict[str, list[Hypothesis]]]:
        """Return each decoder's hypotheses per utterance, best first; take the time."""
        done: dict[int, tuple[NBest, float]] = {}
        if torch.cuda.is_initialized():
            # what the model still computes is not decoding
            torch.cuda.synchronize()
        started_all = time.perf_counter()
        for name, decoder in self.decoders.items():
            started, earlier_s = time.perf_counter(), 0.0
            first_pass = getattr(decoder, "decoder", None)
            if isinstance(decoder, RescoringDecoder) and id(first_pass) in done:
                found, earlier_s = done[id(first_pass)]
                found = decoder.rescorer(found)
            else:
                found = list_best(decoder, *outputs)
            seconds = earlier_s + time.perf_counter() - started
            done[id(decoder)] = found, seconds
            self.decoding_s[name] += seconds
        self.all_decoding_s += time.perf_counter() - started_all
        lists = [done[id(decoder)][0] for decoder in self.decoders.values()]
        return [
            dict(zip(self.decoders, found, strict=True))
            for found in zip(*lists, strict=True)
        ]

    def record(
        self, name: str, reference: str, found: dict[str, list[Hypothesis]]
    ) -> None:
        """Keep the hypotheses of one utterance."""
        self.ids.append(name)
        self.references.append(reference)
        for decoder, hypotheses in found.items():
            self.hypotheses[decoder].append(hypotheses[0].text)
            # thousands of lists: word times would take most of the memory
            self._n_best[decoder].append([replace(h, words=()) for h in hypotheses])

    def rates(self, name: str, num_bootstrap: int = 1000) -> ErrorRate:
        """Score a decoder over all that was added."""
        return score(
            self.references, self.hypotheses[name], num_bootstrap=num_bootstrap
        )

    def oracle_wer(self, name: str) -> float | None:
        """Return the least error rate in a decoder's lists; None without lists."""
        n_best = self._n_best[name]
        if all(len(found) == 1 for found in n_best):
            return None
        best = oracle(self.references, n_best)
        return score(self.references, best, num_bootstrap=0).wer


def write_transcripts(
    path: str | Path,
    ids: Sequence[str],
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> None:
    """Write a line ``{"id": ..., "ref": ..., "hyp": ...}`` for each utterance."""
    lines = [
        json.dumps({"id": name, "ref": ref, "hyp": hyp}, ensure_ascii=False) + "\n"
        for name, ref, hyp in zip(ids, references, hypotheses, strict=True)
    ]
    write_whole(path, "".join(lines))
