"""How much time does dynamic chunking save a trained model? By the length of the audio.

python benchmarks/dynamic_chunking.py PARENT CHUNKED... --data digits/LibriSpeech/test

Times the encoders of runs, the first of which has no dynamic chunking, and the way from
samples to text, in turns. Beside it stands what block counts predict: the frames that
all blocks are given, as a share of those without segments. Then, with even segments, of
the second run: how time falls with the keep ratio.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from program import run_program
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import read_some, write_study
from torch import Tensor, nn

from lact_modules.allocator import keep_freed_memory
from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.decoding.ctc import GreedyDecoder
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.layers.dynamic_chunking.routers import UniformRouter
from lact_modules.model_store.trained_model import load_run

SAMPLE_RATE = 16000
COLUMNS = ("keep_ratio", "predicted", "encoder", "whole", "encoder_ms", "whole_ms")


class Subject(NamedTuple):
    """What is timed: a model, its decoder, and the share it keeps of even segments."""

    name: str
    model: CTCModel
    decode: GreedyDecoder
    keep_ratio: float | None = None


def load_subject(run: Path, device: str) -> Subject:
    """Load a run."""
    trained = load_run(run)
    model = trained.model.to(device)
    return Subject(run.name, model, GreedyDecoder(trained.vocabulary, model.frame_rate))


@contextmanager
def evenly(subject: Subject) -> Iterator[None]:
    """Use even segments in the model for a while, if there is a keep ratio."""
    chunking = subject.model.encoder.dynamic_chunking
    if subject.keep_ratio is None:
        yield
        return
    before = chunking.router, chunking.keep_ratio
    chunking.router, chunking.keep_ratio = UniformRouter(), subject.keep_ratio
    try:
        yield
    finally:
        chunking.router, chunking.keep_ratio = before


def count_frames(subject: Subject, frames: Tensor, lengths: Tensor) -> list[int]:
    """Return how many frames each block is given."""
    counts: list[int] = []

    def note(block: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        counts.append(inputs[0].shape[1])

    hooks = [b.register_forward_hook(note) for b in subject.model.encoder.blocks]
    subject.model.encoder(frames, lengths)
    for hook in hooks:
        hook.remove()
    return counts


def milliseconds(function: Callable[[], Any], device: str) -> float:
    """Time one call."""
    started = time.perf_counter()
    function()
    if device == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started)


@torch.inference_mode()
def measure(
    subjects: Sequence[Subject], waveforms: Tensor, device: str, repeats: int
) -> list[dict[str, float]]:
    """Time subjects in turns on waveforms (B, N); shares are of the first one's."""
    lengths = torch.full((len(waveforms),), waveforms.shape[1], device=device)
    inputs = [each.model.make_frames(waveforms, lengths) for each in subjects]
    encoder: list[list[float]] = [[] for _ in subjects]
    whole: list[list[float]] = [[] for _ in subjects]
    # the first turn warms up
    for turn in range(repeats + 1):
        for i, (_, model, decode, _) in enumerate(subjects):
            with evenly(subjects[i]):
                taken = (
                    milliseconds(lambda m=model, h=inputs[i]: m.encoder(*h), device),
                    milliseconds(
                        lambda m=model, d=decode: d(*m(waveforms, lengths)), device
                    ),
                )
            if turn:
                encoder[i].append(taken[0])
                whole[i].append(taken[1])
    rows = []
    for i, subject in enumerate(subjects):
        with evenly(subject):
            counts = count_frames(subject, *inputs[i])
        rows.append(
            {
                "keep_ratio": min(counts) / max(counts),
                "predicted": statistics.mean(counts) / max(counts),
                "encoder": ratio(encoder[i], encoder[0]),
                "whole": ratio(whole[i], whole[0]),
                "encoder_ms": statistics.median(encoder[i]),
                "whole_ms": statistics.median(whole[i]),
            }
        )
    return rows


def ratio(taken: Sequence[float], reference: Sequence[float]) -> float:
    """Return the median of the ratios of turns."""
    return statistics.median(a / b for a, b in zip(taken, reference, strict=True))


def join(waveforms: Sequence[Tensor], seconds: float, count: int) -> Tensor:
    """Join speech to so many waveforms (count, N) of that duration."""
    joined = torch.cat(list(waveforms))
    length = round(seconds * SAMPLE_RATE)
    missing = -(-count * length // len(joined))
    return joined.repeat(missing)[: count * length].view(count, length)


def main(
    runs: Annotated[list[Path], typer.Argument(help="The parent, then with segments.")],
    data: Annotated[Path, typer.Option(help="Split folder or manifest to transcribe.")],
    durations: Annotated[str, typer.Option(help="Seconds.")] = "5,15,60",
    keep_ratio: Annotated[str, typer.Option(help="Shares.")] = "1,0.75,0.5,0.33,0.25",
    batch_size: int = 1,
    repeats: int = 15,
    threads: Annotated[int, typer.Option(help="Of the CPU.")] = 1,
    device: str = "cpu",
    output: Path = Path("runs/dynamic_chunking"),
) -> None:
    """Write shares of the parent's time, and milliseconds, by duration and run."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    subjects = [load_subject(run, device) for run in runs]
    for subject in subjects[1:]:
        if getattr(subject.model.encoder, "dynamic_chunking", None) is None:
            raise InputError(f"{subject.name}: its encoder has no dynamic chunking")
    name, model, decode, _ = subjects[1]
    shares = [float(share) for share in keep_ratio.split(",")]
    even = [Subject(f"{name}, even", model, decode, share) for share in shares]
    speech = [load_utterance(each) for each in read_some(data, None)]
    found: dict[str, list[dict[str, Any]]] = {}
    table = Table("audio s", "model", *COLUMNS)
    for duration in track(durations.split(","), "durations"):
        waveforms = join(speech, float(duration), batch_size).to(device)
        rows = measure([*subjects, *even], waveforms, device, repeats)
        found[duration] = [
            {"name": subject.name, "is_even": subject.keep_ratio is not None, **row}
            for subject, row in zip([*subjects, *even], rows, strict=True)
        ]
        for row in found[duration]:
            cells = [f"{row[key]:.3g}" for key in COLUMNS]
            table.add_row(duration, row["name"], *cells)
    write_study(
        output,
        runs[0],
        device,
        "dynamic_chunking",
        "speed",
        batch_size=batch_size,
        threads=threads,
        repeats=repeats,
        time=found,
    )
    Console().print(table)


if __name__ == "__main__":
    run_program(main)
