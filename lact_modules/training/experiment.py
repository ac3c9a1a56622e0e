"""The frame of an ASR recipe: datasets, training, tests, and the record of it all."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import run_on_main

from lact_modules.data.subwords import AnyVocabulary
from lact_modules.training.brain import ASRBrain
from lact_modules.training.dataset import (
    make_batch_sampler,
    make_dataset,
    read_manifests,
)
from lact_modules.training.loop import RecipeBrain
from lact_modules.training.measure import measure_split
from lact_modules.training.plots import plot_learning_curves
from lact_modules.training.result import write_result

logger = logging.getLogger(__name__)


def prepare_manifests(hparams: dict[str, Any], prepare: Callable[..., Any]) -> Path:
    """Write a manifest of every split that the YAML names.

    Arguments
    ---------
    hparams : dict[str, Any]
        ``data_folder``, ``output_folder``, ``train_splits``, ``dev_splits`` and
        ``test_splits``.
    prepare : Callable[..., Any]
        Such as `prepare_librispeech`; takes ``data_folder``, ``manifest_folder`` and
        ``splits``.

    Returns
    -------
    Path
        The folder with ``<split>.jsonl``.
    """
    folder = Path(hparams["output_folder"]) / "manifests"
    splits = [*hparams["train_splits"], *hparams["dev_splits"], *hparams["test_splits"]]
    run_on_main(
        prepare,
        kwargs={
            "data_folder": hparams["data_folder"],
            "manifest_folder": folder,
            "splits": list(dict.fromkeys(splits)),
        },
    )
    return folder


def make_datasets(
    hparams: dict[str, Any], manifests: Path, vocabulary: AnyVocabulary
) -> dict[str, DynamicItemDataset]:
    """Make the datasets ``train``, ``dev``, and one of each test split.

    Arguments
    ---------
    hparams : dict[str, Any]
        ``train_splits``, ``dev_splits``, ``test_splits``, ``max_train_duration`` and
        ``in_memory``.
    manifests : Path
        Folder with ``<split>.jsonl``.
    vocabulary : AnyVocabulary
        Spells the transcripts.

    Returns
    -------
    dict[str, DynamicItemDataset]
        By name.
    """

    def dataset(names: list[str], max_duration: float | None = None) -> Any:
        paths = [manifests / f"{name}.jsonl" for name in names]
        utterances = read_manifests(paths, max_duration)
        return make_dataset(utterances, vocabulary, hparams["in_memory"])

    return {
        **{name: dataset([name]) for name in hparams["test_splits"]},
        "train": dataset(hparams["train_splits"], hparams["max_train_duration"]),
        "dev": dataset(hparams["dev_splits"]),
    }


def train_and_test(
    brain: ASRBrain,
    datasets: dict[str, DynamicItemDataset],
    hparams: dict[str, Any],
    command: Sequence[str],
    recipe: str,
) -> None:
    """Train from where the run stands, test all splits, write ``result.json``.

    Arguments
    ---------
    brain : ASRBrain
        The recipe's.
    datasets : dict[str, DynamicItemDataset]
        As `make_datasets` gives them.
    hparams : dict[str, Any]
        ``num_workers``, ``valid_batch_size``, ``max_batch_length``,
        ``max_batch_size``, ``seed``, ``test_splits``, ``output_folder``,
        ``dataset_name``.
    command : Sequence[str]
        ``sys.argv``.
    recipe : str
        Folder below ``recipes/``.
    """
    loader_options = {"num_workers": hparams["num_workers"]}
    test_options = {**loader_options, "batch_size": hparams["valid_batch_size"]}
    sampler = make_batch_sampler(
        datasets["train"],
        hparams["max_batch_length"],
        hparams["max_batch_size"],
        seed=hparams["seed"],
        # set by torchrun
        num_ranks=int(os.environ.get("WORLD_SIZE", 1)),
    )
    brain.train(
        datasets["train"], datasets["dev"], sampler, loader_options, test_options
    )
    metrics = {
        split: measure_split(brain, split, datasets[split], test_options)
        for split in hparams["test_splits"]
    }
    run_on_main(write_results, args=[hparams, brain, metrics, command, recipe])


def write_results(
    hparams: dict[str, Any],
    brain: RecipeBrain,
    metrics: dict[str, dict[str, dict[str, Any]]],
    command: Sequence[str],
    recipe: str,
) -> None:
    """Write ``result.json`` and the learning curves into a run's folder.

    Arguments
    ---------
    hparams : dict[str, Any]
        ``output_folder``, ``dataset_name`` and ``seed``.
    brain : RecipeBrain
        After training.
    metrics : dict[str, dict[str, dict[str, Any]]]
        As `write_result` takes them.
    command : Sequence[str]
        ``sys.argv``.
    recipe : str
        Folder below ``recipes/``.
    """
    folder = Path(hparams["output_folder"])
    plots = plot_learning_curves(folder / "metrics.jsonl", folder / "plots")
    write_result(
        folder / "result.json",
        metrics,
        recipe=recipe,
        model=Path(command[1]).stem,
        dataset=hparams["dataset_name"],
        parameters=sum(p.numel() for p in brain.modules.model.parameters()),
        seed=hparams["seed"],
        command=command,
        device=brain.device,
        # 0 if an earlier run has trained
        training_wall_s=brain.training_wall_s or None,
    )
    logger.info("results in %s, curves in %s", folder, plots[0].parent)
