"""Hours of speech in one stream: memory, state, speed, weights, errors over time.

python benchmarks/long_stream.py RUN --data digits/LibriSpeech/train \
    --data mini_librispeech/LibriSpeech/train --hours 6

Utterances of all data follow each other in blocks of one data set, drawn at random, and
begin anew when all have been recognized. It reports every ten minutes.
"""

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy
import torch
import typer
from program import run_program
from resident import memory_mib
from rich.console import Console
from rich.table import Table
from study import read_some, write_study

from lact_modules.allocator import keep_freed_memory
from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.decoding.hypothesis import Word
from lact_modules.encoders.streaming import EncoderState
from lact_modules.inference.stream.state import unpack
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.layers.chunking import map_tensors
from lact_modules.layers.lact import LaCTState
from lact_modules.scoring.error_rate import count_stream_errors


class Reference(NamedTuple):
    """An utterance in the stream, its times in seconds, and its data set."""

    start: float
    end: float
    text: str
    source: str


class StreamRun:
    """A recognizer, its references, and its hypotheses.

    Arguments
    ---------
    recognizer : StreamingRecognizer
        At the beginning of a stream.
    piece_seconds : float
        How much it accepts at once.
    """

    def __init__(self, recognizer: StreamingRecognizer, piece_seconds: float):
        self.recognizer = recognizer
        self.piece_size = round(piece_seconds * SAMPLE_RATE)
        self.references: list[Reference] = []
        self.words: list[Word] = []
        self.cpu_s = self.wall_s = 0.0

    def accept(self, utterance: Utterance, source: str) -> None:
        """Continue with an utterance."""
        waveform, start = load_utterance(utterance), self.recognizer.seconds
        cpu, wall = time.process_time(), time.perf_counter()
        for piece in waveform.split(self.piece_size):
            self.recognizer.accept(piece)
        self.cpu_s += time.process_time() - cpu
        self.wall_s += time.perf_counter() - wall
        end = self.recognizer.seconds
        self.references.append(Reference(start, end, utterance.text, source))
        self._collect()

    def report(self) -> dict[str, Any]:
        """Report the time since the last call, and begin a new report."""
        seconds = self.references[-1].end - self.references[0].start
        state = unpack(self.recognizer.state_dict()["encoder"])
        tensors: list[torch.Tensor] = []
        map_tensors(lambda x: tensors.append(x) or x, state)
        row = {
            "hours": round(self.recognizer.seconds / 3600, 4),
            "resident_mib": memory_mib(),
            "state_kib": sum(x.nbytes for x in tensors) / 2**10,
            "cpu_rtf": self.cpu_s / seconds,
            "wall_rtf": self.wall_s / seconds,
            "largest_norm": largest_norm(state),
            "is_finite": all(bool(x.isfinite().all()) for x in tensors),
            "wer": self._rate_errors(),
        }
        self.references, self.words = [], []
        self.cpu_s = self.wall_s = 0.0
        return row

    def _collect(self) -> None:
        for hypothesis in self.recognizer.take():
            self.words += hypothesis.words

    def _rate_errors(self) -> dict[str, float]:
        """Return the rate of each data set, in percent."""
        # those that began before have been counted, ended or not
        words = [*self.words, *self.recognizer.words]
        text = " ".join(w.word for w in words if w.start >= self.references[0].start)
        counts = count_stream_errors([each.text for each in self.references], text)
        sources = numpy.array([each.source for each in self.references])
        rates = {}
        for source in sorted(set(sources)):
            errors = counts[sources == source].sum(axis=0)
            rates[source] = float(100 * errors[:3].sum() / errors[3])
        return rates


def largest_norm(state: EncoderState) -> float:
    """Return the largest norm of what has been learned: weights, or sums for a step."""
    mixers = [block.mixer for block in state.blocks or ()]
    fast = [mixer.fast for mixer in mixers if isinstance(mixer, LaCTState)]
    learned = [matrix for each in fast for matrix in each.carried.learned.values()]
    norms = [matrix.norm().item() for matrix in learned]
    return max(norms, default=0.0)


def draw_blocks(
    data: dict[str, Sequence[Utterance]], size: int, seed: int
) -> Iterator[tuple[Utterance, str]]:
    """Return utterances without end, each with the name of its data set."""
    rng = random.Random(seed)
    blocks = [
        [(utterance, name) for utterance in utterances[first : first + size]]
        for name, utterances in data.items()
        for first in range(0, len(utterances), size)
    ]
    while True:
        rng.shuffle(blocks)
        yield from itertools.chain.from_iterable(blocks)


def compare_speed(
    recognizer: StreamingRecognizer,
    utterances: Iterator[tuple[Utterance, str]],
    piece_seconds: float,
    seconds: float,
) -> float:
    """Return the CPU time of a long stream, over that of one that begins.

    Both run the same, in turns, so that it does not matter what else the machine does.
    """
    both = [StreamRun(each, piece_seconds) for each in (recognizer, recognizer.fork())]
    old, fresh = both
    while fresh.recognizer.seconds < seconds:
        utterance, source = next(utterances)
        for stream in both:
            stream.accept(utterance, source)
    return old.cpu_s / fresh.cpu_s


def summarize(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the slope of memory after the first hour, and how steady the speed is."""
    late = [row for row in rows if row["hours"] > 1] or rows
    hours = [row["hours"] for row in late]
    resident = [row["resident_mib"] for row in late]
    slope = numpy.polyfit(hours, resident, 1)[0] if len(late) > 1 else 0.0
    return {
        "resident_mib_per_hour": float(slope),
        "state_kib": sorted({row["state_kib"] for row in rows}),
        "last_over_first_cpu_rtf": rows[-1]["cpu_rtf"] / rows[0]["cpu_rtf"],
        "largest_norm": max(row["largest_norm"] for row in rows),
        "is_finite": all(row["is_finite"] for row in rows),
    }


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """Print what was measured as a table."""
    sources = sorted({name for row in rows for name in row["wer"]})
    table = Table(
        *("hours", "resident MiB", "state KiB", "CPU RTF", "RTF", "largest norm"),
        *(f"WER % {name}" for name in sources),
    )
    for row in rows:
        table.add_row(
            *(f"{row['hours']:.2f}", f"{row['resident_mib']:.1f}"),
            *(f"{row['state_kib']:.0f}", f"{row['cpu_rtf']:.4f}"),
            *(f"{row['wall_rtf']:.4f}", f"{row['largest_norm']:.3f}"),
            *(f"{row['wer'][n]:.1f}" if n in row["wer"] else "" for n in sources),
        )
    console.print(table)


def main(
    run: Annotated[Path, typer.Argument(help="Output folder of a training.")],
    data: Annotated[list[Path], typer.Option(help="Split folders or manifests.")],
    hours: float = 6.0,
    interval: Annotated[float, typer.Option(help="Minutes between two rows.")] = 10.0,
    block: Annotated[int, typer.Option(help="Utterances of a block.")] = 20,
    piece: Annotated[float, typer.Option(help="Seconds given at once.")] = 0.1,
    chunk: float = 0.64,
    left: float = 5.12,
    seed: int = 1,
    output: Path = Path("runs/long_stream"),
) -> None:
    """Measure a recognizer over hours."""
    keep_freed_memory()
    recognizer = StreamingRecognizer.from_export(
        run, chunk_seconds=chunk, left_seconds=left
    )
    stream, rows = StreamRun(recognizer, piece), []
    named = {f"{path.parts[-3]}/{path.name}": read_some(path, None) for path in data}
    console = Console()
    utterances = draw_blocks(named, block, seed)
    for utterance, source in utterances:
        stream.accept(utterance, source)
        if recognizer.seconds >= 60 * interval * (len(rows) + 1):
            rows.append(stream.report())
            console.print({name: rows[-1][name] for name in ("hours", "resident_mib")})
        if recognizer.seconds >= 3600 * hours:
            break
    summary = summarize(rows)
    chunks = int(recognizer.seconds / chunk)
    summary["updates"] = chunks * len(recognizer.model.encoder.blocks)
    summary["old_over_fresh_cpu"] = compare_speed(
        recognizer, utterances, piece, 60 * interval
    )
    settings = dict(chunk_seconds=chunk, left_seconds=left, piece_seconds=piece)
    write_study(
        output, run, "cpu", "streaming", "long_stream", **settings, **summary, rows=rows
    )
    show(rows, console)
    console.print(summary)


if __name__ == "__main__":
    run_program(main)
