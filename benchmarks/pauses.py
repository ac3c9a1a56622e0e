"""What pauses cost: word error rates with silence or noise around speech, or before it.

python benchmarks/pauses.py RUN --data digits/LibriSpeech/test --output runs/pauses

Utterances are recognized with a pause on both sides, whole (`transcribe`) and in chunks
(`chunk`). Streams of one speaker are interrupted by a gap; errors are counted from
there on, words in the gap included, by `stream`, by a client of `serve`, and by `chunk`
of one long file. All are compared with the same without a pause. A model that is not a
streaming one is measured on whole utterances alone. Noise is white; its level is that
against full scale.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy
import torch
import typer
from program import run_program
from recognition import stream_words
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import (
    Counts,
    count_errors,
    format_difference,
    name_data,
    rate,
    read_some,
    write_study,
)
from torch import Tensor

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.comparison.statistics import paired_bootstrap
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import TrainedModel
from lact_modules.serving.recognition import Recognition


class Pause(NamedTuple):
    """So many seconds of noise, of zeros if there is no level."""

    seconds: float
    level_db: float | None

    def make(self) -> Tensor:
        """Make it, (N,) samples, the same each time."""
        num_samples = round(self.seconds * SAMPLE_RATE)
        if self.level_db is None:
            return torch.zeros(num_samples)
        noise = torch.randn(num_samples, generator=torch.Generator().manual_seed(1))
        return noise * 10 ** (self.level_db / 20)

    @property
    def name(self) -> str:
        """What it is called."""
        return "zeros" if self.level_db is None else f"noise at {self.level_db:g} dB"


NONE = Pause(0.0, None)


class Group(NamedTuple):
    """Utterances of a speaker that follow others after a gap."""

    before: tuple[Utterance, ...]
    after: tuple[Utterance, ...]


def make_groups(utterances: Sequence[Utterance], size: int) -> list[Group]:
    """Divide the utterances of each speaker; the same ones come before all."""
    by_speaker = defaultdict(list)
    for utterance in utterances:
        by_speaker[utterance.speaker].append(utterance)
    return [
        Group(tuple(spoken[:size]), tuple(spoken[first : first + size]))
        for spoken in by_speaker.values()
        for first in range(0, len(spoken), size)
    ]


class Streams:
    """Run streams that begin alike; what they share is run once.

    Arguments
    ---------
    trained : TrainedModel
        A streaming model.
    is_served : bool
        Recognize as for a client of `serve`.
    """

    def __init__(self, trained: TrainedModel, is_served: bool):
        self.recognizer = StreamingRecognizer(trained)
        self.feed = self._feed_server if is_served else self._feed_recognizer
        self.remember = lru_cache(maxsize=1)(self._remember)

    def __call__(self, before: Tensor, pause: Pause, after: Tensor) -> str:
        """Return the text after the beginning, pause included."""
        state, words = self.remember(_Key(before), pause)
        recognizer = self.recognizer.fork()
        recognizer.load_state_dict(state)
        words = [*words, *self.feed(recognizer, after, is_last=True)]
        start = len(before) / SAMPLE_RATE
        return " ".join(word for word, begin in words if begin >= start)

    def _remember(self, before: "_Key", pause: Pause) -> tuple[dict, list]:
        recognizer = self.recognizer.fork()
        waveform = torch.cat([before.waveform, pause.make()])
        words = self.feed(recognizer, waveform, is_last=False)
        return recognizer.state_dict(), words

    @staticmethod
    def _feed_recognizer(
        recognizer: StreamingRecognizer, waveform: Tensor, is_last: bool
    ) -> list[tuple[str, float]]:
        words = stream_words(recognizer, waveform, is_last)
        return [(word.word, word.start) for word in words]

    @staticmethod
    def _feed_server(
        recognizer: StreamingRecognizer, waveform: Tensor, is_last: bool
    ) -> list[tuple[str, float]]:
        recognition = Recognition(recognizer)
        samples = (waveform * 32767).round().clamp(-32768, 32767)
        pieces = samples.to(torch.int16).split(SAMPLE_RATE)
        messages = [m for p in pieces for m in recognition.accept(p.numpy().tobytes())]
        if is_last:
            messages += recognition.finish()
        final = [message for message in messages if message["type"] == "final"]
        words = [word for message in final for word in message["words"]]
        return [(word["word"], word["start"]) for word in words]


class _Key:
    """A waveform that is the same key as long as it is the same tensor."""

    def __init__(self, waveform: Tensor):
        self.waveform = waveform

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and torch.equal(self.waveform, other.waveform)

    def __hash__(self) -> int:
        return hash((len(self.waveform), self.waveform[:100].sum().item()))


def transcribe_file(
    transcriber: Transcriber, before: Tensor, pause: Pause, after: Tensor
) -> str:
    """Return the text of one file from the pause on."""
    (hypothesis,) = transcriber.transcribe([torch.cat([before, pause.make(), after])])
    start = len(before) / SAMPLE_RATE
    return " ".join(word.word for word in hypothesis.words if word.start >= start)


def measure_around(
    transcriber: Transcriber, utterances: Sequence[Utterance], pause: Pause
) -> Counts:
    """Return errors and words of each utterance with a pause on both sides, (U, 2)."""

    def load(utterance: Utterance) -> Tensor:
        return torch.cat([pause.make(), load_utterance(utterance), pause.make()])

    outcomes = transcriber.transcribe_files(utterances, 16, load)
    return count_errors(utterances, [outcome.result.text for outcome in outcomes])


def measure_gap(transcribe: Callable, groups: Sequence[Group], pause: Pause) -> Counts:
    """Return errors and words of each utterance behind a gap, (U, 2)."""
    counts = []
    for before, after in groups:
        first, second = (torch.cat([*map(load_utterance, p)]) for p in (before, after))
        counts.append(count_errors(after, transcribe(first, pause, second)))
    return numpy.concatenate(counts)


def compare(
    measure: Callable[[Pause], Counts], pauses: Sequence[Pause], place: str, way: str
) -> Iterator[dict[str, Any]]:
    """Measure with each pause and without; report what each costs."""
    without = measure(NONE)
    yield {"place": place, "way": way, "pause": "none", "wer": rate(without)}
    for pause in track(pauses, f"{way}, pauses {place} speech"):
        counts = measure(pause)
        loss = paired_bootstrap(without[:, 0], counts[:, 0], without[:, 1])
        yield {
            "place": place,
            "way": way,
            "pause": pause.name,
            "seconds": pause.seconds,
            "wer": rate(counts),
            "difference": loss.wer,
            "interval": loss.interval,
        }


def find_ways(trained: TrainedModel) -> dict[str, tuple[Callable, Callable | None]]:
    """Name the ways to recognize utterances and streams that a model has."""
    whole = Transcriber(trained)
    try:
        streams, served = (Streams(trained, is_served) for is_served in (False, True))
    except InputError:
        return {"transcribe": (partial(measure_around, whole), None)}
    chunked = Transcriber(trained, chunk_seconds=0.64)
    return {
        "transcribe": (partial(measure_around, whole), None),
        "chunk": (partial(measure_around, chunked), partial(transcribe_file, chunked)),
        "stream": (None, streams),
        "serve": (None, served),
    }


def show(splits: dict[str, list[dict[str, Any]]]) -> None:
    """Print what was found as a table."""
    table = Table("data", "way", "where", "pause", "seconds", "WER %", "difference")
    for name, rows in splits.items():
        for row in rows:
            is_none = "seconds" not in row
            table.add_row(
                *(name, row["way"], row["place"], row["pause"]),
                "" if is_none else f"{row['seconds']:g}",
                f"{row['wer']:.2f}",
                ""
                if is_none
                else format_difference(row["difference"], row["interval"]),
            )
    Console().print(table)


def main(
    run: Annotated[Path, typer.Argument(help="Output folder of a training.")],
    data: Annotated[list[Path], typer.Option(help="Split folders or manifests.")],
    around: Annotated[str, typer.Option(help="Seconds on each side.")] = "0.5,5,15",
    gaps: Annotated[str, typer.Option(help="Seconds.")] = "5,30,90,600",
    levels: Annotated[str, typer.Option(help="Decibels.")] = "-70,-50,-40",
    gap_levels: Annotated[str, typer.Option(help="Decibels.")] = "-70,-50",
    group: Annotated[int, typer.Option(help="Utterances behind a gap.")] = 10,
    limit: Annotated[
        int | None, typer.Option(help="Utterances of each data set, evenly spread.")
    ] = None,
    output: Path = Path("runs/pauses"),
) -> None:
    """Measure a model with every pause, in every way it can run."""
    trained = load_model(run)
    grid = {
        "around": _pauses(around, levels),
        "before": _pauses(gaps, gap_levels),
    }
    splits: dict[str, list[dict[str, Any]]] = {}
    for path in data:
        utterances = read_some(path, limit)
        groups = make_groups(utterances, group)
        rows = splits[name_data(path)] = []
        for way, (measure, transcribe) in find_ways(trained).items():
            if measure is not None:
                each = partial(measure, utterances)
                rows += compare(each, grid["around"], "around", way)
            if transcribe is not None:
                each = partial(measure_gap, transcribe, groups)
                rows += compare(each, grid["before"], "before", way)
    write_study(output, run, "cpu", "streaming", "pauses", pauses=splits)
    show(splits)


def _pauses(seconds: str, levels: str) -> list[Pause]:
    kinds = [None, *map(float, levels.split(","))]
    return [Pause(float(s), k) for s, k in itertools.product(seconds.split(","), kinds)]


if __name__ == "__main__":
    run_program(main)
