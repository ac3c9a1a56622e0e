"""Does it help to remember? Fast weights carried on in a stream, or fresh each time.

python benchmarks/memory.py --lact RUN --lact RUN --window RUN --window RUN \
    --data digits/LibriSpeech/test-unseen-speaker

``--window`` are runs without fast weights whose attention sees further back, by as many
floats. The utterances of the data are one stream, in an order that each run draws
anew. A word that is output late, when the next utterance has begun, is counted for its
own utterance: the text of a stream is aligned with all references.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy
import torch
import typer
from program import run_program
from recognition import stop_learning
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
from lact_modules.decoding.stream.greedy import GreedyStream
from lact_modules.encoders.block import BlockState
from lact_modules.inference.stream.chunks import chunk_encoder
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.layers.lact import LaCTState
from lact_modules.model_store.trained_model import load_run

Blocks = list[BlockState]


def nothing(_: Blocks) -> None:
    """Drop the blocks' state."""


def fast_weights(blocks: Blocks) -> Blocks:
    """Keep what the fast weights have learned of whole chunks, and nothing else."""
    kept = []
    for block in blocks:
        fast = block.mixer.fast
        fast = fast._replace(carried=fast.carried._replace(pending=None))
        kept.append(BlockState(LaCTState(None, fast), None))
    return kept


def all_but_fast_weights(blocks: Blocks) -> Blocks:
    """Keep keys, values and the convolutions' context, not the fast weights."""
    return [
        BlockState(LaCTState(block.mixer.attention, None), block.conv)
        for block in blocks
    ]


def everything(blocks: Blocks) -> Blocks:
    """Keep it as it is."""
    return blocks


class Memory(NamedTuple):
    """What is carried from an utterance to the next one.

    `frontend` is whether the normalization continues, `keep` returns what remains of
    the blocks' state, and `learns` is whether fast weights learn at all.
    """

    frontend: bool
    keep: Callable[[Blocks], Blocks | None]
    learns: bool = True


LACT = {
    "nothing": Memory(False, nothing),
    "fast weights": Memory(False, fast_weights),
    "all but fast weights": Memory(True, all_but_fast_weights),
    "everything": Memory(True, everything),
    "everything, never learns": Memory(True, everything, learns=False),
}
REFERENCES = ("nothing", "all but fast weights", "everything, never learns")
WINDOW = {
    "nothing, longer window": Memory(False, nothing),
    "everything, longer window": Memory(True, everything),
}


class UtteranceRunner:
    """A model that runs utterances one after the other.

    Arguments
    ---------
    run : Path
        Output folder of a training.
    chunk : float
        Seconds that are recognized together.
    left : float
        Seconds before them that attention sees.
    learns : bool
        Whether fast weights take steps; if not, they stay as they were trained.
    """

    def __init__(self, run: Path, chunk: float, left: float, learns: bool = True):
        trained = load_run(run)
        self.model = trained.model
        if not learns:
            stop_learning(self.model)
        self.streaming = StreamingModel(
            self.model, chunk_encoder(self.model, chunk, left)
        )
        self.chunking = self.streaming.encoder.chunking
        self.decoder = GreedyStream(trained.vocabulary, self.model.frame_rate)

    @torch.inference_mode()
    def transcribe(
        self, waveforms: Sequence[Tensor], memory: Memory
    ) -> list[str] | str:
        """Return the text of each of the waveforms (N,), or of the stream they are."""
        if memory.frontend:
            lengths = [len(waveform) / SAMPLE_RATE for waveform in waveforms]
            ends = itertools.accumulate(lengths)
            borders = [round(end * self.model.frame_rate) for end in ends]
            frames = self._frames(torch.cat(list(waveforms)))
            return self._decode(self._score(frames, None, borders, memory.keep)[0])
        texts, blocks = [], None
        for waveform in waveforms:
            log_probs, blocks = self._score(self._frames(waveform), blocks)
            blocks = memory.keep(blocks)
            texts.append(self._decode(log_probs))
        return texts

    def _frames(self, waveform: Tensor) -> Tensor:
        frontend = self.streaming.frontend
        frames, state = frontend.accept(waveform[None], frontend.start(batch_size=1))
        return torch.cat([frames, frontend.finish(state)], dim=1)

    def _score(
        self,
        frames: Tensor,
        blocks: Blocks | None,
        borders: Sequence[int] = (),
        keep: Callable[[Blocks], Blocks | None] = everything,
    ) -> tuple[Tensor, Blocks]:
        """Score frames (1, T, D) chunk by chunk; `keep` acts where an utterance ends.

        A chunk that holds the end belongs to the utterance that has ended.
        """
        scores, size = [], self.chunking.size
        for start in range(0, frames.shape[1], size):
            has_ended = any(start - size < border <= start for border in borders)
            if blocks is not None and has_ended:
                blocks = keep(blocks)
            chunk = frames[:, start : start + size]
            lengths = torch.tensor([chunk.shape[1]])
            hidden, blocks = self.model.encoder.chunked(
                chunk, lengths, self.chunking, blocks
            )
            scores.append(self.model.score_frames(hidden)[0])
        return torch.cat(scores), blocks

    def _decode(self, log_probs: Tensor) -> str:
        decoder = self.decoder
        return decoder.finish(decoder.accept(log_probs, decoder.start())).text


def measure(
    runner: UtteranceRunner, utterances: Sequence[Utterance], memory: Memory, seed: int
) -> Counts:
    """Return the errors and words of each utterance, (U, 2), in random order."""
    order = list(range(len(utterances)))
    random.Random(seed).shuffle(order)
    hypotheses = runner.transcribe(
        [load_utterance(utterances[i]) for i in order], memory
    )
    counts = count_errors([utterances[i] for i in order], hypotheses)
    return counts[numpy.argsort(order)]


def summarize(counted: dict[str, list[Counts]]) -> dict[str, dict[str, Any]]:
    """Return rates by memory, and differences from fast weights that are fresh.

    Each is compared with ``nothing``, with the stream that has no fast weights from
    before, with fast weights that never learn, and with longer windows.
    """
    words = counted["nothing"][0][:, 1]
    errors = {
        name: numpy.mean([counts[:, 0] for counts in by_run], axis=0)
        for name, by_run in counted.items()
    }
    summary = {}
    for name, by_run in counted.items():
        references = {*REFERENCES, *WINDOW} & errors.keys()
        against = {}
        for reference in sorted(references - {name}):
            difference = paired_bootstrap(errors[reference], errors[name], words)
            against[reference] = difference._asdict()
        summary[name] = {
            "wer": float(100 * errors[name].sum() / words.sum()),
            "wer_by_run": [rate(counts) for counts in by_run],
            "against": against,
        }
    return summary


def show(summary: dict[str, dict[str, Any]]) -> None:
    """Print the summary as a table."""
    table = Table("remembered", "WER %", "by run", "difference from", "[95 %]", "p")
    for name, row in summary.items():
        for i, (reference, found) in enumerate(row["against"].items()):
            by_run = " ".join(f"{wer:.2f}" for wer in row["wer_by_run"])
            table.add_row(
                *((name, f"{row['wer']:.2f}", by_run) if not i else ("", "", "")),
                reference,
                format_difference(found["wer"], found["interval"]),
                f"{found['p_value']:.4f}",
            )
    Console().print(table)


def main(
    lact: Annotated[list[Path], typer.Option(help="Trainings with fast weights.")],
    data: Annotated[Path, typer.Option(help="Split folder or manifest of a speaker.")],
    window: Annotated[
        list[Path] | None, typer.Option(help="Trainings with a longer window.")
    ] = None,
    chunk: Annotated[float, typer.Option(help="Chunk size in seconds.")] = 0.64,
    left: Annotated[float, typer.Option(help="Left context in seconds.")] = 5.12,
    window_left: Annotated[float, typer.Option(help="The same for the window.")] = 5.76,
    limit: int | None = None,
    output: Path = Path("runs/memory"),
) -> None:
    """Measure every run with every kind of memory."""
    utterances = read_some(data, limit)
    systems = [(lact, left, LACT), (window or [], window_left, WINDOW)]
    jobs = [
        (seed, run, seconds, memories)
        for runs, seconds, memories in systems
        for seed, run in enumerate(runs)
    ]
    counted: dict[str, list[Counts]] = {}
    for seed, run, seconds, memories in track(jobs, name_data(data)):
        for name, memory in memories.items():
            runner = UtteranceRunner(run, chunk, seconds, memory.learns)
            counts = measure(runner, utterances, memory, seed)
            counted.setdefault(name, []).append(counts)
    summary = summarize(counted)
    settings = dict(chunk_seconds=chunk, left_seconds=left, data=name_data(data))
    write_study(
        output, lact[0], "cpu", "streaming", "memory", **settings, memory=summary
    )
    show(summary)


if __name__ == "__main__":
    run_program(main)
