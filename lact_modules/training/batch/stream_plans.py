"""Which utterances are joined in which epochs, and their batches."""

import logging
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from lact_modules.data.long_form.joining import duration
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.rounds import RoundSampler
from lact_modules.errors import InputError
from lact_modules.training.batch.samplers import (
    BucketBatchSampler,
    EffectiveBatchSampler,
    StagedSampler,
)
from lact_modules.training.dataset.last_stage import LastStage
from lact_modules.training.dataset.stream_dataset import StreamDataset
from lact_modules.training.dataset.streams import (
    RANDOM,
    StreamPlan,
    join_utterances,
    joins_streams,
)
from lact_modules.training.parallel.main_process import num_processes

logger = logging.getLogger(__name__)


def plan_streams(
    utterances: Sequence[Utterance], hparams: Mapping[str, Any]
) -> list[StreamPlan]:
    """Join utterances as the recipe asks.

    Arguments
    ---------
    utterances : Sequence[Utterance]
        To learn from.
    hparams : Mapping[str, Any]
        Those of `stream_keys.STREAMS`; ``max_train_duration``, ``seed``; with a last
        stage ``epoch_counter`` and ``max_batch_length`` too.

    Returns
    -------
    list[StreamPlan]
        From the first epoch on, and of the last stage; empty if nothing is ever joined.

    Raises
    ------
    InputError
        If a speaker, or the place of an utterance in its recording, is unknown.
    """
    gap, seed, stage = (
        hparams["stream_gap_seconds"],
        hparams["seed"],
        LastStage.of(hparams),
    )
    plans = [StreamPlan([(utterance,) for utterance in utterances])]
    if joins_streams(hparams):
        count, order = hparams["stream_utterances"], hparams["stream_order"]
        seconds = hparams["stream_seconds"] or hparams["max_train_duration"]
        bound = (count if count > 1 else None, seconds)
        try:
            streams = join_utterances(utterances, order, *bound, gap, seed)
        except InputError as error:
            raise InputError(f"--stream_order {order}: {error}") from error
        plans = [StreamPlan(streams, is_random=order == RANDOM)]
    if stage is not None:
        plans.append(stage.plan(utterances, gap, seed))
        _tell(stage, plans[-1], gap, hparams["max_batch_length"])
    return plans if joins_streams(hparams) or stage is not None else []


def _tell(stage: LastStage, plan: StreamPlan, gap: float, max_seconds: float) -> None:
    seconds = [duration(stream, gap) for stream in plan.streams]
    logger.info(
        "last stage, from epoch %d: %d recordings of %.1f s on average, %.1f at most",
        *(stage.first_epoch, len(seconds), fmean(seconds), max(seconds)),
    )
    if max(seconds) > max_seconds:
        logger.warning(
            "last stage: recordings of %.1f s are longer than max_batch_length, %g s; "
            "such a one is a batch alone",
            *(max(seconds), max_seconds),
        )


def make_sampler(dataset: Any, hparams: Mapping[str, Any]) -> RoundSampler:
    """Make the batches of a training: as large as memory allows, or as wanted.

    Arguments
    ---------
    dataset : Any
        Made by `make_dataset` or `make_stream_dataset`.
    hparams : Mapping[str, Any]
        ``seed``, ``target_effective_batch``, and without the latter
        ``max_batch_length`` and ``max_batch_size``.

    Returns
    -------
    RoundSampler
        For `RecipeBrain.train`; a last stage has as many seconds a batch as the epochs
        before.
    """
    if not isinstance(dataset, StreamDataset):
        entries = (dataset.data[name] for name in dataset.data_ids)
        return _sample([entry["duration"] for entry in entries], hparams)
    durations = {
        plan.first_epoch: [duration(stream, dataset.gap) for stream in plan.streams]
        for plan in dataset.plans
    }
    samplers = {1: _sample(durations[1], hparams)}
    for epoch in durations.keys() - {1}:
        ratio = fmean(durations[1]) / fmean(durations[epoch])
        try:
            samplers[epoch] = _sample(durations[epoch], hparams, ratio)
        except InputError as error:
            raise InputError(f"last stage: {error}") from error
    return StagedSampler(samplers) if len(samplers) > 1 else samplers[1]


def _sample(
    durations: Sequence[float], hparams: Mapping[str, Any], ratio: float | None = None
) -> RoundSampler:
    """Batch streams; those of a last stage are so many times shorter than others."""
    num_ranks = num_processes()
    target, seed = hparams["target_effective_batch"], hparams["seed"]
    if target is not None:
        if ratio is not None:
            target = num_ranks * max(round(target * ratio / num_ranks), 1)
        return EffectiveBatchSampler(durations, target, seed, num_ranks)
    return BucketBatchSampler(
        durations,
        hparams["max_batch_length"],
        hparams["max_batch_size"],
        **({} if ratio is None else {"num_buckets": None}),
        seed=seed,
        num_ranks=num_ranks,
    )
