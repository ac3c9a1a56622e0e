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
    """What came of certain weights.

    Arguments
    ---------
    weights : dict[str, float]
        By name.
    texts : list[str]
        Hypotheses.
    wer : float
        Their word error rate in percent.
    """

    weights: dict[str, float]
    texts: list[str]
    wer: float


class Tuner:
    """A model's outputs for development data, over which decodings are compared.

    Arguments
    ---------
    transcriber : Transcriber
        The model.

    Example
    -------
    Tune rescoring over what a beam search finds::

        tuner = Tuner(Transcriber.from_folder("runs/lact"))
        for number, text in zip(tuner.add(waveforms), texts):
            tuner.references[number] = text
        grid = {"rescore_weight": [0.2, 0.5], "rescore_word_score": [0.0, 1.0]}
        trials = tuner.try_rescoring(grid, beam_size=50, rescore="runs/lm")
        best = choose_trial(tuner.references, list(trials))
    """

    def __init__(self, transcriber: Transcriber):
        self.references: list[str] = []
        self._transcriber = transcriber
        self._outputs: list[tuple[Any, ...]] = []

    def add(self, waveforms: Sequence[Tensor]) -> range:
        """Run the model on a batch and keep its outputs, in the CPU's memory.

        Arguments
        ---------
        waveforms : Sequence[Tensor]
            (N,) float32 each, at 16 kHz.

        Returns
        -------
        range
            Their places in `references`, where the caller puts the reference.
        """
        outputs = self._transcriber.run_model(waveforms)
        self._outputs.append(_move(outputs, torch.device("cpu")))
        self.references += [""] * len(waveforms)
        return range(len(self.references))[-len(waveforms) :]

    def scores_words(self, **decoding: Any) -> bool:
        """Return whether a search has words that a score may count.

        Arguments
        ---------
        **decoding : Any
            Arguments of :func:`~lact_modules.inference.decoders.build_search`.

        Returns
        -------
        bool
            True for CTC with a lexicon or a language model of words.
        """
        return getattr(self._build(**decoding), "words", None) is not None

    def try_search(self, grid: Grid, **decoding: Any) -> Iterator[Trial]:
        """Try weights of the search, which is run for each combination.

        Arguments
        ---------
        grid : Grid
            Of arguments of :func:`~lact_modules.inference.decoders.build_search`.
        **decoding : Any
            Its other arguments.

        Returns
        -------
        Iterator[Trial]
            One a combination.
        """

        def transcribe(**weights: float) -> list[str]:
            n_best = self._search(self._build(**{**decoding, **weights}))
            return [found[0].text for found in n_best]

        return try_grid(self.references, transcribe, grid)

    def try_rescoring(self, grid: Grid, **decoding: Any) -> Iterator[Trial]:
        """Try weights of rescoring; search and language model run only once.

        Arguments
        ---------
        grid : Grid
            Values of ``rescore_weight`` and ``rescore_word_score``.
        **decoding : Any
            Other arguments of :func:`~lact_modules.inference.decoders.build_search`,
            ``rescore`` among them.

        Returns
        -------
        Iterator[Trial]
            One a combination.
        """
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
    """Try all combinations of weights.

    Arguments
    ---------
    references : Sequence[str]
        References.
    transcribe : Callable[..., list[str]]
        Takes weights by name and gives hypotheses in the order of `references`.
    grid : Grid
        Values to try of each weight.

    Yields
    ------
    Trial
        One a combination, the last weight changing fastest.

    Example
    -------
    >>> def transcribe(loudness):
    ...     return ["ONE" if loudness > 1 else ""]
    >>> [trial.wer for trial in try_grid(["ONE"], transcribe, {"loudness": [1, 2]})]
    [100.0, 0.0]
    """
    for values in itertools.product(*grid.values()):
        weights = dict(zip(grid, values, strict=True))
        texts = transcribe(**weights)
        *errors, num_words = count_word_errors(references, texts).sum(axis=0).tolist()
        yield Trial(weights, texts, 100.0 * sum(errors) / max(num_words, 1))


def choose_trial(references: Sequence[str], trials: Sequence[Trial]) -> Trial:
    """Choose the trial with the fewest word errors.

    Arguments
    ---------
    references : Sequence[str]
        References.
    trials : Sequence[Trial]
        At least one.

    Returns
    -------
    Trial
        Of several as good the one with the lowest character error rate, then the one
        whose weights are nearest to 0, the first of them counting most.
    """
    least = min(trial.wer for trial in trials)
    best = [trial for trial in trials if trial.wer == least]

    def key(trial: Trial) -> tuple[float, list[float]]:
        cer = score(references, trial.texts, num_bootstrap=0).cer
        return cer, [abs(weight) for weight in trial.weights.values()]

    return min(best, key=key) if len(best) > 1 else best[0]


def edges(trial: Trial, grid: Grid) -> list[str]:
    """Name the weights at an edge of the grid, with several values tried.

    Arguments
    ---------
    trial : Trial
        What was chosen.
    grid : Grid
        What was tried.

    Returns
    -------
    list[str]
        Names of weights: better ones may lie beyond. 0 is no edge.

    Example
    -------
    >>> grid = {"lm_weight": [0.5, 1.0, 1.5], "word_score": [0.0]}
    >>> edges(Trial({"lm_weight": 1.5, "word_score": 0.0}, [], 0.0), grid)
    ['lm_weight']
    """
    return [
        name
        for name, values in grid.items()
        if len(values) > 1 and trial.weights[name] in {min(values), max(values)} - {0}
    ]


def _move(outputs: tuple[Any, ...], device: torch.device) -> tuple[Any, ...]:
    # some outputs a model may not have
    return tuple(None if output is None else output.to(device) for output in outputs)
