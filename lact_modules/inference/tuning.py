"""Find weights of language models by the word error rate on development data."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lact_modules.decoding.rescore import (
    NBest,
    RescoringDecoder,
    list_best,
    rank,
    score_texts,
)
from lact_modules.inference.decoders import build_search
from lact_modules.inference.transcriber import Transcriber
from lact_modules.scoring.error_rate import count_word_errors, score

Grid = Mapping[str, Sequence[float]]
"""Values to try of each weight."""


@dataclass(frozen=True)
class Trial:
    """One combination of weights, with its hypotheses and their WER in percent."""

    weights: dict[str, float]
    texts: list[str]
    wer: float


class Tuner:
    """A model's outputs for development data, over which decodings are compared."""

    def __init__(self, transcriber: Transcriber):
        self.references: list[str] = []
        self._transcriber = transcriber
        self._outputs: list[tuple[Any, ...]] = []

    def add(self, waveforms: Sequence[Tensor]) -> range:
        """Keep a batch's outputs on the CPU; return their places in `references`."""
        outputs = self._transcriber.run_model(waveforms)
        self._outputs.append(_move(outputs, torch.device("cpu")))
        self.references += [""] * len(waveforms)
        return range(len(self.references))[-len(waveforms) :]

    def scores_words(self, **decoding: Any) -> bool:
        """Return whether a search scores words.

        CTC does, with a lexicon or a language model of words.
        """
        return getattr(self._build(**decoding), "words", None) is not None

    def try_search(self, grid: Grid, **decoding: Any) -> Iterator[Trial]:
        """Try weights of the search, which is run for each combination."""

        def transcribe(**weights: float) -> list[str]:
            n_best = self._search(self._build(**{**decoding, **weights}))
            return [found[0].text for found in n_best]

        return try_grid(self.references, transcribe, grid)

    def try_rescoring(self, grid: Grid, **decoding: Any) -> Iterator[Trial]:
        """Try weights of rescoring; search and language model run only once."""
        decoder = self._build(**decoding)
        assert isinstance(decoder, RescoringDecoder)
        n_best = self._search(decoder.decoder)
        scores = score_texts(decoder.rescorer.lm, n_best)

        def transcribe(
            rescore_weight: float, rescore_word_score: float = 0.0
        ) -> list[str]:
            ranked = rank(n_best, scores, rescore_weight, rescore_word_score)
            return [found[0].text for found in ranked]

        return try_grid(self.references, transcribe, grid)

    def _build(self, **decoding: Any) -> Any:
        device = self._transcriber.device
        return build_search(self._transcriber.trained, device=device, **decoding)

    @torch.inference_mode()
    def _search(self, decoder: Any) -> NBest:
        device = self._transcriber.device
        return [
            found
            for outputs in self._outputs
            for found in list_best(decoder, *_move(outputs, device))
        ]


def try_grid(
    references: Sequence[str],
    transcribe: Callable[..., list[str]],
    grid: Grid,
) -> Iterator[Trial]:
    """Try all combinations of weights, the last weight changing fastest."""
    for values in itertools.product(*grid.values()):
        weights = dict(zip(grid, values, strict=True))
        texts = transcribe(**weights)
        *errors, num_words = count_word_errors(references, texts).sum(axis=0).tolist()
        yield Trial(weights, texts, 100.0 * sum(errors) / max(num_words, 1))


def choose_trial(references: Sequence[str], trials: Sequence[Trial]) -> Trial:
    """Choose the trial with the fewest word errors.

    Of several as good it is the one with the lowest character error rate, then the one
    whose weights are nearest to 0, the first of them counting most.
    """
    least = min(trial.wer for trial in trials)
    best = [trial for trial in trials if trial.wer == least]

    def key(trial: Trial) -> tuple[float, list[float]]:
        cer = score(references, trial.texts, num_bootstrap=0).cer
        return cer, [abs(weight) for weight in trial.weights.values()]

    return min(best, key=key) if len(best) > 1 else best[0]


def edges(trial: Trial, grid: Grid) -> list[str]:
    """Name the weights at an edge of the values tried: better ones may lie beyond.

    Neither 0 nor the only value tried is an edge.
    """
    return [
        name
        for name, values in grid.items()
        if len(values) > 1 and trial.weights[name] in {min(values), max(values)} - {0}
    ]


def _move(outputs: tuple[Any, ...], device: torch.device) -> tuple[Any, ...]:
    # some outputs a model may not have
    return tuple(None if output is None else output.to(device) for output in outputs)
