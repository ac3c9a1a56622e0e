"""Does a trained model give the same for pieces of any size? Largest differences.

python benchmarks/pieces.py RUN --data digits/LibriSpeech/test

Log-probabilities of a stream fed in pieces against those of one call, for each
utterance and each size of pieces: single samples, random sizes, and the whole.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import torch
import typer
from program import run_program
from rich.console import Console
from rich.progress import track
from rich.table import Table
from study import read_some, write_study
from torch import Tensor

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.inference.stream.chunks import ChunkedModel, chunk_encoder
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.model_store.trained_model import load_run

SIZES = ("1", "160", "1000", "random", "whole")


def cut(waveform: Tensor, size: str, rng: random.Random) -> Iterator[Tensor]:
    """Cut samples (N,) into pieces."""
    if size != "random":
        yield from waveform.split(len(waveform) if size == "whole" else int(size))
        return
    start = 0
    while start < len(waveform):
        # from some samples to seconds
        length = int(2 ** rng.uniform(0, 16))
        yield waveform[start : start + length]
        start += length


@torch.inference_mode()
def compare(
    streaming: StreamingModel, whole: ChunkedModel, waveform: Tensor, size: str
) -> float:
    """Return the largest difference of log-probabilities of samples (N,)."""
    expected, _ = whole(waveform[None], torch.tensor([len(waveform)]))
    state, scores = streaming.start(batch_size=1), []
    for piece in cut(waveform, size, random.Random(1)):
        log_probs, state = streaming.accept(piece[None], state)
        scores.append(log_probs)
    scores.append(streaming.finish(state))
    joined = torch.cat(scores, dim=1)
    assert joined.shape == expected.shape
    return float((joined - expected).abs().max())


def main(
    run: Annotated[Path, typer.Argument(help="Output folder of a training.")],
    data: Annotated[Path, typer.Option(help="Split folder or manifest.")],
    chunks: str = "0.32,0.64,1.28",
    left: float = 5.12,
    limit: int = 10,
    output: Path = Path("runs/pieces"),
) -> None:
    """Compare all sizes of pieces at every latency."""
    model = load_run(run).model
    waveforms = [load_utterance(each) for each in read_some(data, limit)]
    # one that lasts longer than attention remembers
    waveforms.append(torch.cat(waveforms))
    found: dict[str, dict[str, float]] = {}
    for chunk in track(chunks.split(","), "chunks"):
        encoder = chunk_encoder(model, float(chunk), left)
        streaming, whole = StreamingModel(model, encoder), ChunkedModel(model, encoder)
        found[chunk] = {
            size: max(compare(streaming, whole, waveform, size) for waveform in listed)
            for size in SIZES
            # the long one by single samples would take minutes
            for listed in [waveforms[:-1] if size == "1" else waveforms]
        }
        # separates rounding, which a frame between two digits may amplify, from errors
        model.double()
        found[chunk]["float64"] = compare(
            streaming, whole, waveforms[-1].double(), "random"
        )
        model.float()
    write_study(
        output, run, "cpu", "streaming", "pieces", left_seconds=left, difference=found
    )
    columns = (*SIZES, "float64")
    table = Table("chunk s", *columns)
    for chunk, row in found.items():
        table.add_row(chunk, *(f"{row[column]:.1e}" for column in columns))
    Console().print(table)


if __name__ == "__main__":
    run_program(main)
