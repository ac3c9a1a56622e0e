"""Which utterances are joined in which epochs, and their batches."""

import logging
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from lact_modules.data.long_form.joining import duration
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.rounds import RoundSampler
from lact_modules.errors import InputError
from lact_modules.training.batch.batching import BatchLimits
from lact_modules.training.batch.samplers import (
    BucketBatchSampler,
    EffectiveBatchSampler,
    StagedSampler,
)
from lact_modules.training.dataset.long_form_finetuning import LongFormFinetuning
from lact_modules.training.dataset.stream_dataset import StreamDataset
from lact_modules.training.dataset.streams import (
    RANDOM,
    LongForm,
    StreamPlan,
    join_utterances,
)
from lact_modules.training.parallel.main_process import num_processes

logger = logging.getLogger(__name__)


def plan_streams(
    utterances: Sequence[Utterance],
    long_form: LongForm,
    finetuning: LongFormFinetuning | None,
    limits: BatchLimits,
    max_train_duration: float | None = None,
) -> list[StreamPlan]:
    """Join utterances as the recipe asks, from epoch 1 on and in the last epochs.

    There are no plans if nothing is ever joined.
    """
    gap, seed = long_form.gap_seconds, limits.seed
    plans = [StreamPlan([(utterance,) for utterance in utterances])]
    if long_form.is_joined:
        count, order = long_form.utterances, long_form.order
        seconds = long_form.seconds or max_train_duration
        bound = (count if count > 1 else None, seconds)
        try:
            streams = join_utterances(utterances, order, *bound, gap, seed)
        except InputError as error:
            raise InputError(f"--long_form_order {order}: {error}") from error
        plans = [StreamPlan(streams, is_random=order == RANDOM)]
    if finetuning is not None:
        plans.append(finetuning.plan(utterances, gap, seed))
        _log_plan(finetuning, plans[-1], gap, limits.max_batch_length)
    return plans if long_form.is_joined or finetuning is not None else []


def _log_plan(
    finetuning: LongFormFinetuning, plan: StreamPlan, gap: float, max_seconds: float
) -> None:
    seconds = [duration(stream, gap) for stream in plan.streams]
    logger.info(
        "long-form fine-tuning, from epoch %d: %d recordings of %.1f s on average, "
        "%.1f at most",
        *(finetuning.first_epoch, len(seconds), fmean(seconds), max(seconds)),
    )
    if max(seconds) > max_seconds:
        logger.warning(
            "long-form fine-tuning: recordings of %.1f s are longer than "
            "max_batch_length, %g s; such a one is a batch alone",
            *(max(seconds), max_seconds),
        )


def make_sampler(dataset: Any, limits: BatchLimits) -> RoundSampler:
    """Make the batches of a training: as large as memory allows, or as requested.

    Long-form fine-tuning has as many seconds a batch as the epochs before.
    """
    if not isinstance(dataset, StreamDataset):
        entries = (dataset.data[name] for name in dataset.data_ids)
        return _sample([entry["duration"] for entry in entries], limits)
    durations = {
        plan.first_epoch: [duration(stream, dataset.gap) for stream in plan.streams]
        for plan in dataset.plans
    }
    samplers = {1: _sample(durations[1], limits)}
    for epoch in durations.keys() - {1}:
        ratio = fmean(durations[1]) / fmean(durations[epoch])
        try:
            samplers[epoch] = _sample(durations[epoch], limits, ratio)
        except InputError as error:
            raise InputError(f"long-form fine-tuning: {error}") from error
    return StagedSampler(samplers) if len(samplers) > 1 else samplers[1]


def _sample(
    durations: Sequence[float], limits: BatchLimits, ratio: float | None = None
) -> RoundSampler:
    """Batch streams; those of fine-tuning are so many times fewer a batch."""
    num_ranks = num_processes()
    target = limits.target_effective_batch
    if target is not None:
        if ratio is not None:
            target = num_ranks * max(round(target * ratio / num_ranks), 1)
        return EffectiveBatchSampler(durations, target, limits.seed, num_ranks)
    return BucketBatchSampler(
        durations,
        limits.max_batch_length,
        limits.max_batch_size,
        **({} if ratio is None else {"num_buckets": None}),
        seed=limits.seed,
        num_ranks=num_ranks,
    )
