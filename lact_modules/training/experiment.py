"""The frame of an ASR recipe: datasets, training, tests, and the record of it all."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import infer_device, run_on_main

from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.model_store.hub import check_repo_id
from lact_modules.model_store.trained_model import TrainedModel
from lact_modules.training.batch.batching import BatchLimits
from lact_modules.training.batch.stream_plans import make_sampler, plan_streams
from lact_modules.training.brain import ASRBrain
from lact_modules.training.dataset.dataset import (
    make_dataset,
    make_stream_dataset,
    read_manifests,
)
from lact_modules.training.dataset.manifests import (
    DataSources,
    Manifests,
    prepare_manifests,
)
from lact_modules.training.dataset.streams import LongForm
from lact_modules.training.from_keys import finetuning_of, from_keys
from lact_modules.training.loop import RecipeBrain
from lact_modules.training.option.run_options import RUN_OPTIONS
from lact_modules.training.outcome.measure import measure_split
from lact_modules.training.outcome.plots import plot_learning_curves, read_log
from lact_modules.training.outcome.publishing import publish
from lact_modules.training.outcome.result import write_result
from lact_modules.training.parameter.initialization import start_from
from lact_modules.training.shard.batches import ShardBatches, make_shard_batches
from lact_modules.training.vocabulary.feasibility import check_feasible
from lact_modules.training.vocabulary.first_try import vocabulary_kept_on_success

logger = logging.getLogger(__name__)


class Datasets(NamedTuple):
    """What `Manifests` list, ready to be batched."""

    train: DynamicItemDataset | ShardBatches
    dev: DynamicItemDataset
    tests: dict[str, DynamicItemDataset]


def run_recipe(
    hparams: dict[str, Any],
    run_opts: Any,
    command: list[str],
    *,
    brain_class: type[ASRBrain],
    prepare: Callable[..., Any],
    recipe: str,
) -> None:
    """Prepare the data, train a recognizer, test it, and write the results.

    Arguments
    ---------
    hparams : dict[str, Any]
        Of the recipe's YAML, objects made.
    run_opts : Any
        SpeechBrain's run options.
    command : list[str]
        ``sys.argv``.
    brain_class : type[ASRBrain]
        Kind of the recognizer.
    prepare : Callable[..., Any]
        Of the corpus, see `prepare_manifests`.
    recipe : str
        Folder below ``recipes/``.

    Raises
    ------
    InputError
        If the data or the YAML are at fault.
    """
    manifests = prepare_manifests(from_keys(DataSources, hparams), prepare)
    with vocabulary_kept_on_success(hparams["output_folder"]):
        vocabulary = brain_class.make_vocabulary(hparams, manifests.train_texts)
        datasets = make_datasets(hparams, manifests, vocabulary)
        if not hparams["checkpointer"].list_checkpoints():
            from_keys(start_from, hparams, vocabulary=vocabulary)
    trained = TrainedModel(hparams["model"], vocabulary, description=None)
    device = run_opts.device or infer_device()
    brain = brain_class(
        decoders=brain_class.make_decoders(trained, device, hparams["decoding"]),
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    train_and_test(brain, datasets, hparams, command, recipe)


def make_datasets(
    hparams: dict[str, Any], manifests: Manifests, vocabulary: AnyVocabulary
) -> Datasets:
    """Make the datasets of a recipe, without utterances too long for training."""
    in_memory = hparams["in_memory"]
    # at the most: dynamic chunks may leave fewer
    frame_rate = hparams["model"].frontend.frame_rate
    feasible = partial(
        check_feasible,
        vocabulary=vocabulary,
        frame_rate=frame_rate,
        ctc_weight=hparams.get("ctc_weight", 1.0),
    )

    def to_score(paths: list[Path]) -> DynamicItemDataset:
        utterances = read_manifests(paths, data_root=manifests.data_folder)
        return make_dataset(utterances, vocabulary, in_memory, must_spell=False)

    def to_learn() -> DynamicItemDataset | ShardBatches:
        if manifests.shards:
            batches = from_keys(
                make_shard_batches,
                hparams,
                shards=manifests.shards,
                vocabulary=vocabulary,
                limits=from_keys(BatchLimits, hparams),
            )
            feasible(batches.listed())
            return batches
        utterances = read_manifests(
            manifests.train, hparams["max_train_duration"], manifests.data_folder
        )
        long_form = from_keys(LongForm, hparams, "long_form_")
        plans = plan_streams(
            utterances,
            long_form,
            finetuning_of(hparams),
            from_keys(BatchLimits, hparams),
            hparams["max_train_duration"],
        )
        if not plans:
            dataset = make_dataset(utterances, vocabulary, in_memory)
        else:
            dataset = make_stream_dataset(
                plans, vocabulary, in_memory, long_form.gap_seconds, hparams["seed"]
            )
        # spelled without a fault by now
        listed = ((u.duration, u.text) for u in utterances)
        feasible(listed)
        return dataset

    return Datasets(
        train=to_learn(),
        dev=to_score(manifests.dev),
        tests={name: to_score([path]) for name, path in manifests.tests.items()},
    )


def train_and_test(
    brain: ASRBrain,
    datasets: Datasets,
    hparams: dict[str, Any],
    command: Sequence[str],
    recipe: str,
) -> None:
    """Train from the run's last checkpoint, test all splits, write ``result.json``."""
    if hparams["push_to_hub"] is not None:
        check_repo_id(hparams["push_to_hub"])
    loader_options = {"num_workers": hparams["num_workers"]}
    test_options = {**loader_options, "batch_size": hparams["valid_batch_size"]}
    sampler = None
    if not isinstance(datasets.train, ShardBatches):
        sampler = make_sampler(datasets.train, from_keys(BatchLimits, hparams))
    brain.train(datasets.train, datasets.dev, sampler, loader_options, test_options)
    metrics = {
        name: measure_split(brain, name, dataset, test_options)
        for name, dataset in datasets.tests.items()
    }
    run_on_main(write_results, args=[hparams, brain, metrics, command, recipe])
    from_keys(publish, hparams)


def logged_seconds(folder: Path) -> float | None:
    """Return the seconds of training up to the last entry of a run's log."""
    log = read_log(folder / "metrics.jsonl")
    entries = (entry for by_step in log.values() for entry in by_step.values())
    return max((entry.get("training_s", 0.0) for entry in entries), default=None)


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
        options={**hparams, **{name: getattr(brain, name) for name in RUN_OPTIONS}},
        changed_options=brain.state.history.changed_options,
        device=brain.device,
        # an earlier run may have trained
        training_wall_s=brain.state.wall_s or logged_seconds(folder),
    )
    if brain.state.log:
        brain.state.log.close(brain.optimizer_step, metrics)
    logger.info("results in %s, curves in %s", folder, plots[0].parent)
