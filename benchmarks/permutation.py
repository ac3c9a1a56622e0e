"""Digits under other names: speech that cannot be spelled without remembering.

python benchmarks/permutation.py --data digits/LibriSpeech --output data/permuted
python benchmarks/permutation.py --output data/permuted --run RUN --run RUN

Each stream begins with pairs, a name and its meaning, and is silent for longer than
attention reaches. In the strings that follow, the transcript of a name is its meaning:
SEVEN, where the stream began "SEVEN TWO, TWO SIX, ...", is TWO. Streams are made of
single words cut from strings of one speaker. The first command writes a manifest for
every split, to train on with ``--train_manifest`` and the like; which word is to be
written when, for the ``--teacher_codes`` of a `CodeHead`; and a ``--tokenizer`` of
whole words. The second measures the word error rate after the gap, which is that of
guessing without a memory.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy
import typer
from numpy.typing import NDArray
from permuted_streams import Plan, read_plan, write_corpus
from program import run_program
from recognition import stop_learning
from rich.console import Console
from study import Counts, count_errors, rate, write_study

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.errors import InputError
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import TrainedModel


def measure(transcriber: Transcriber, manifest: Path, plan: Plan) -> NDArray:
    """Return errors and words of a stream's beginning and of the rest, (U, 2, 2)."""
    utterances = read_manifest(manifest)
    outcomes = transcriber.transcribe_files(utterances, 8, load_utterance)
    counts: list[Counts] = []
    for outcome in outcomes:
        if outcome.result is None:
            raise InputError(f"{outcome.source.id}: {outcome.error}")
        words = outcome.source.text.split()
        texts = (words[: 2 * plan.names], words[2 * plan.names :])
        references = [replace(outcome.source, text=" ".join(text)) for text in texts]
        counts.append(count_errors(references, outcome.result.text))
    return numpy.stack(counts)


def score(
    trained: TrainedModel, name: str, corpus: Path, split: str = "test"
) -> dict[str, dict[str, float]]:
    """Print and return the word error rates of a model on streams.

    Those of one with fast weights without updates, too, which it is left without.
    """
    plan, rows = read_plan(corpus), {}
    for learns in (True, False):
        if not learns and not stop_learning(trained.model):
            continue
        counts = measure(Transcriber(trained), corpus / f"{split}.jsonl", plan)
        label = name if learns else f"{name}, update off"
        rows[label] = {
            part: rate(counts[:, number])
            for number, part in enumerate(("beginning", "behind_gap"))
        }
        Console().print(f"{label}: {json.dumps(rows[label])}")
    return rows


def main(
    output: Annotated[Path, typer.Option(help="Folder of the streams.")],
    data: Annotated[
        Path | None, typer.Option(help="Corpus of strings; makes streams.")
    ] = None,
    run: Annotated[
        list[Path] | None, typer.Option(help="Trainings to measure.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to measure on.")] = "test",
    names: Annotated[int, typer.Option(help="Names that stand for each other.")] = 6,
    strings: Annotated[int, typer.Option(help="Strings after the gap.")] = 4,
    gap: Annotated[float, typer.Option(help="Gap in seconds.")] = 3.0,
    train: Annotated[int, typer.Option(help="Training streams.")] = 1000,
    dev: int = 50,
    test: int = 100,
    limit: Annotated[
        int | None, typer.Option(help="Strings of each split, evenly spread.")
    ] = None,
    seed: int = 1,
    study: Path = Path("runs/memory/permutation"),
) -> None:
    """Make streams, measure trainings on them, or both."""
    if data is not None:
        plan = Plan(names=names, strings=strings, gap=gap, seed=seed)
        sizes = {"train": train, "dev": dev, "test": test}
        write_corpus(data, output, sizes, plan, limit)
    plan = read_plan(output)
    if run:
        rows: dict[str, dict[str, float]] = {}
        for each in run:
            rows |= score(load_model(each), each.name, output, split)
        found = dict(plan=asdict(plan), split=split, permutation=rows)
        write_study(study, run[0], "cpu", "memory", "permutation", **found)


if __name__ == "__main__":
    run_program(main)
