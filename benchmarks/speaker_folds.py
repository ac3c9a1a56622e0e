"""Judge variants of a model by speakers held out of training, without any test split.

python benchmarks/speaker_folds.py --data_folder digits/LibriSpeech \
    --systems benchmarks/studies/lact_variants.yaml -- '--frontend={channels: 40}'

Fold k trains, with seed k, on all speakers of the training split but one, and is tested
on that one (`unseen`) and on what the dev split has of the others (`seen`). Like
compare_systems.py it continues where it stopped. Differences are from the first system.
"""

import itertools
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from program import run_program
from trainings import (
    LIBRISPEECH,
    DataFolder,
    Jobs,
    LimitMinutes,
    Overrides,
    Recipe,
    Systems,
    Training,
    read_systems,
    train,
)

from lact_modules.comparison.statistics import mean_interval
from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.data.manifest.manifest import Utterance, read_manifest, write_manifest
from lact_modules.whole_file import write_whole

TESTS = ("seen", "unseen")


def write_folds(corpus: Path, folder: Path) -> list[Path]:
    """Write the manifests of each fold; give the folds' folders."""
    prepared = prepare_librispeech(corpus, folder, ["train", "dev"])
    training, dev = (read_manifest(prepared[split]) for split in ("train", "dev"))
    speakers = sorted({utterance.speaker for utterance in training})
    folds = []
    for number, left_out in enumerate(speakers, start=1):
        folds.append(folder / f"fold_{number}")
        manifests: dict[str, Iterator[Utterance]] = {
            "train": (u for u in training if u.speaker != left_out),
            "seen": (u for u in dev if u.speaker != left_out),
            "unseen": (u for u in training if u.speaker == left_out),
        }
        for name, utterances in manifests.items():
            write_manifest(folds[-1] / f"{name}.jsonl", utterances)
    return folds


def fold_options(fold: Path) -> list[str]:
    """Return the options by which a training reads a fold."""
    fold = fold.resolve()
    return [
        f"--train_manifest={fold / 'train.jsonl'}",
        f"--valid_manifest={fold / 'seen.jsonl'}",
        f"--test_manifest=[{', '.join(str(fold / f'{test}.jsonl') for test in TESTS)}]",
    ]


def summarize(trainings: Sequence[Training]) -> dict[str, Any]:
    """Return WER in percent, and by how much it differs from the first system's."""
    wers: dict[str, dict[str, dict[int, float]]] = {}
    result: dict[str, Any] = {}
    for training in trainings:
        result = json.loads(training.result.read_text("utf-8"))
        metrics = result["metrics"]
        by_test = wers.setdefault(training.system.name, {test: {} for test in TESTS})
        for test in TESTS:
            by_test[test][training.seed] = metrics[test]["greedy"]["wer"]
    first, *_ = wers.values()
    systems = {
        system: {
            test: _describe(by_fold, first[test]) for test, by_fold in by_test.items()
        }
        for system, by_test in wers.items()
    }
    options = {training.system.name: training.system.options for training in trainings}
    # of the last run: all should be of one commit and machine
    about = {key: result.get(key) for key in ("commit", "hardware", "date")}
    return {**about, "options": options, "systems": systems}


def _describe(by_fold: dict[int, float], first: dict[int, float]) -> dict[str, Any]:
    # folds differ more than systems do: only what both have is compared
    differences = [by_fold[fold] - first[fold] for fold in by_fold if fold in first]
    return {
        "wer_by_fold": by_fold,
        "wer": sum(by_fold.values()) / len(by_fold),
        "difference": sum(differences) / len(differences),
        "interval": mean_interval(differences),
    }


def show(summary: dict[str, Any]) -> None:
    """Print the summary as a table."""
    print(f"{'system':24} {'split':7} {'WER':>6}  difference [95 % over folds]")
    for system, by_test in summary["systems"].items():
        for test, row in by_test.items():
            interval = row["interval"]
            bounds = "[{:+.2f}, {:+.2f}]".format(*interval) if interval else ""
            wer = f"{row['wer']:6.2f}  {row['difference']:+.2f}"
            print(f"{system:24} {test:7} {wer} {bounds}")


def main(
    data_folder: DataFolder,
    systems: Systems,
    overrides: Overrides = None,
    output: Path = Path("runs/speaker_folds"),
    recipe: Recipe = LIBRISPEECH,
    folds: Annotated[int | None, typer.Option(help="Only the first ones.")] = None,
    epochs: int = 10,
    d_model: int = 96,
    jobs: Jobs = 1,
    limit_minutes: LimitMinutes = float("inf"),
) -> None:
    """Train every system on every fold, and compare."""
    deadline = time.monotonic() + 60 * limit_minutes
    # so that trainings are stopped too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    listed = read_systems(systems, recipe)
    common = [f"--num_epochs={epochs}", f"--d_model={d_model}", *(overrides or [])]
    folders = write_folds(data_folder, output / "manifests")[:folds]
    # all systems of a fold before the next fold: finished ones can be compared
    trainings = [
        Training(system, number, output, [*fold_options(fold), *common])
        for (number, fold), system in itertools.product(enumerate(folders, 1), listed)
    ]
    done = train(trainings, jobs, deadline)
    if any(training.system == listed[0] for training in done):
        summary = summarize(done)
        write_whole(output / "folds.json", json.dumps(summary, indent=2) + "\n")
        show(summary)
    if len(done) < len(trainings):
        sys.exit("start it again to continue")


if __name__ == "__main__":
    run_program(main)
