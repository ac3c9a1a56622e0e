"""The frame of an ASR recipe: datasets, training, tests, and the record of it all."""

import itertools
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class Manifests(NamedTuple):
    """Where the utterances of a recipe are listed.

    Arguments
    ---------
    train : list[Path]
        To learn from, all together.
    dev : list[Path]
        To judge checkpoints by, all together.
    tests : dict[str, Path]
        To report on, each by its name.
    """

    train: list[Path]
    dev: list[Path]
    tests: dict[str, Path]


class Datasets(NamedTuple):
    """What `Manifests` list, ready to be batched.

    Arguments
    ---------
    train : DynamicItemDataset
        To learn from.
    dev : DynamicItemDataset
        To judge checkpoints by.
    tests : dict[str, DynamicItemDataset]
        To report on, each by its name.
    """

    train: DynamicItemDataset
    dev: DynamicItemDataset
    tests: dict[str, DynamicItemDataset]


def prepare_manifests(
    hparams: dict[str, Any], prepare: Callable[..., Any]
) -> Manifests:
    """Write a manifest of every split that the YAML names.

    Arguments
    ---------
    hparams : dict[str, Any]
        ``data_folder``, ``output_folder``, ``train_splits``, ``dev_splits`` and
        ``test_splits``.
    prepare : Callable[..., Any]
        Such as `prepare_librispeech`; takes ``data_folder``, ``manifest_folder`` and
        ``splits``, and writes ``<split>.jsonl`` for each.

    Returns
    -------
    Manifests
        In the folder ``manifests`` of the run.
    """
    folder = Path(hparams["output_folder"]) / "manifests"
    kinds = [hparams["train_splits"], hparams["dev_splits"], hparams["test_splits"]]
    run_on_main(
        prepare,
        kwargs={
            "data_folder": hparams["data_folder"],
            "manifest_folder": folder,
            "splits": list(dict.fromkeys(itertools.chain(*kinds))),
        },
    )
    train, dev, tests = ({s: folder / f"{s}.jsonl" for s in splits} for splits in kinds)
    return Manifests([*train.values()], [*dev.values()], tests)


def make_datasets(
    hparams: dict[str, Any], manifests: Manifests, vocabulary: AnyVocabulary
) -> Datasets:
    """Make the datasets of a recipe.

    Arguments
    ---------
    hparams : dict[str, Any]
        ``max_train_duration`` and ``in_memory``.
    manifests : Manifests
        Of the recipe.
    vocabulary : AnyVocabulary
        Spells the transcripts.

    Returns
    -------
    Datasets
        With what is too long left out of training.
    """

    def dataset(paths: list[Path], max_duration: float | None = None) -> Any:
        utterances = read_manifests(paths, max_duration)
        return make_dataset(utterances, vocabulary, hparams["in_memory"])

    return Datasets(
        train=dataset(manifests.train, hparams["max_train_duration"]),
        dev=dataset(manifests.dev),
        tests={name: dataset([path]) for name, path in manifests.tests.items()},
    )


def train_and_test(
    brain: ASRBrain,
    datasets: Datasets,
    hparams: dict[str, Any],
    command: Sequence[str],
    recipe: str,
) -> None:
    """Train from where the run stands, test all splits, write ``result.json``.

    Arguments
    ---------
    brain : ASRBrain
        The recipe's.
    datasets : Datasets
        As `make_datasets` gives them.
    hparams : dict[str, Any]
        ``num_workers``, ``valid_batch_size``, ``max_batch_length``,
        ``max_batch_size``, ``seed``, ``output_folder``, ``dataset_name``.
    command : Sequence[str]
        ``sys.argv``.
    recipe : str
        Folder below ``recipes/``.
    """
    loader_options = {"num_workers": hparams["num_workers"]}
    test_options = {**loader_options, "batch_size": hparams["valid_batch_size"]}
    sampler = make_batch_sampler(
        datasets.train,
        hparams["max_batch_length"],
        hparams["max_batch_size"],
        seed=hparams["seed"],
        # set by torchrun
        num_ranks=int(os.environ.get("WORLD_SIZE", 1)),
    )
    brain.train(datasets.train, datasets.dev, sampler, loader_options, test_options)
    metrics = {
        name: measure_split(brain, name, dataset, test_options)
        for name, dataset in datasets.tests.items()
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
