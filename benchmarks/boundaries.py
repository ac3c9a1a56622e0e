"""Where do the segments of a trained model begin? A picture, over the spectrogram.

python benchmarks/boundaries.py RUN... --data digits/LibriSpeech/test

A line for each run below the spectrogram of each utterance has a tick where a segment
begins; above it are the words of the first run, at their times.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from program import run_program
from study import read_some
from torch import Tensor

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.inference.transcriber import Transcriber

SAMPLE_RATE = 16000
FEATURE_RATE = 100


class Segmented(NamedTuple):
    """Seconds at which segments begin, and the recognized words."""

    boundaries: Tensor
    words: Sequence


@torch.inference_mode()
def segment(transcriber: Transcriber, waveform: Tensor) -> Segmented:
    """Transcribe samples (N,), and record where segments begin."""
    routings = []
    router = transcriber.model.encoder.dynamic_chunking.router
    hook = router.register_forward_hook(lambda *call: routings.append(call[-1][0]))
    [hypothesis] = transcriber.transcribe([waveform])
    hook.remove()
    [routing] = routings
    frames = routing.is_boundary[0].nonzero().flatten()
    return Segmented(frames / transcriber.model.frontend.frame_rate, hypothesis.words)


def draw(
    figure: Figure,
    where: GridSpec,
    row: int,
    utterance: Utterance,
    transcribers: dict[str, Transcriber],
) -> None:
    """Draw an utterance: words, spectrogram, and the segments of each run."""
    waveform = load_utterance(utterance)
    seconds = len(waveform) / SAMPLE_RATE
    found = {name: segment(each, waveform) for name, each in transcribers.items()}
    first = next(iter(transcribers.values()))
    with torch.inference_mode():
        features, _ = first.model.frontend.features(
            waveform[None], torch.tensor([len(waveform)])
        )
    upper = figure.add_subplot(where[2 * row])
    upper.imshow(
        features[0].T.numpy(),
        origin="lower",
        aspect="auto",
        extent=(0, features.shape[1] / FEATURE_RATE, 0, features.shape[2]),
        cmap="magma",
    )
    upper.set(xlim=(0, seconds), ylabel="mel band")
    upper.tick_params(labelbottom=False)
    words = next(iter(found.values())).words
    for word in words:
        middle = (word.start + word.end) / 2
        upper.text(middle, features.shape[2] + 2, word.word, ha="center", fontsize=8)
    lower = figure.add_subplot(where[2 * row + 1], sharex=upper)
    begins = [each.boundaries.numpy() for each in found.values()]
    lower.eventplot(begins, linewidths=0.8, linelengths=0.8)
    shares = [
        len(each.boundaries) / (seconds * first.model.frontend.frame_rate)
        for each in found.values()
    ]
    names = [f"{name}, {share:.0%}" for name, share in zip(found, shares, strict=True)]
    lower.set_yticks(range(len(names)), names, fontsize=7)
    lower.invert_yaxis()
    lower.set_xlabel("seconds")


def main(
    runs: Annotated[list[Path], typer.Argument(help="With dynamic chunking.")],
    data: Annotated[Path, typer.Option(help="Split folder or manifest.")],
    count: Annotated[int, typer.Option(help="Utterances, evenly spread.")] = 3,
    output: Path = Path("runs/boundaries.png"),
) -> None:
    """Draw a picture."""
    transcribers = {run.name: Transcriber.from_folder(run) for run in runs}
    figure = Figure(figsize=(9, 3.2 * count), layout="constrained")
    heights = [3, 0.4 + 0.25 * len(runs)] * count
    where = figure.add_gridspec(2 * count, height_ratios=heights)
    for row, utterance in enumerate(read_some(data, count)[:count]):
        draw(figure, where, row, utterance, transcribers)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=100)
    print(output)


if __name__ == "__main__":
    run_program(main)
