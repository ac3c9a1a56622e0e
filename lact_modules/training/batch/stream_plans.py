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
from lact_modules.training.dataset.long_form_finetuning import LongFormFinetuning
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
    """Join utterances as the recipe asks, from epoch 1 on and in its last epochs.

    No plans if nothing is ever joined.
    """
    gap, seed, stage = (
        hparams["long_form_gap_seconds"],
        hparams["seed"],
        LongFormFinetuning.of(hparams),
    )
    plans = [StreamPlan([(utterance,) for utterance in utterances])]
    if joins_streams(hparams):
        count, order = hparams["long_form_utterances"], hparams["long_form_order"]
        seconds = hparams["long_form_seconds"] or hparams["max_train_duration"]
        bound = (count if count > 1 else None, seconds)
        try:
            streams = join_utterances(utterances, order, *bound, gap, seed)
        except InputError as error:
            raise InputError(f"--long_form_order {order}: {error}") from error
        plans = [StreamPlan(streams, is_random=order == RANDOM)]
    if stage is not None:
        plans.append(stage.plan(utterances, gap, seed))
        _tell(stage, plans[-1], gap, hparams["max_batch_length"])
    return plans if joins_streams(hparams) or stage is not None else []


def _tell(
    stage: LongFormFinetuning, plan: StreamPlan, gap: float, max_seconds: float
) -> None:
    seconds = [duration(stream, gap) for stream in plan.streams]
    logger.info(
        "long-form fine-tuning, from epoch %d: %d recordings of %.1f s on average, "
        "%.1f at most",
        *(stage.first_epoch, len(seconds), fmean(seconds), max(seconds)),
    )
    if max(seconds) > max_seconds:
        logger.warning(
            "long-form fine-tuning: recordings of %.1f s are longer than "
            "max_batch_length, %g s; such a one is a batch alone",
            *(max(seconds), max_seconds),
        )


def make_sampler(dataset: Any, hparams: Mapping[str, Any]) -> RoundSampler:
    """Make the batches of a training: as large as memory allows, or as wanted.

    Long-form fine-tuning has as many seconds a batch as the epochs before.
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
            raise InputError(f"long-form fine-tuning: {error}") from error
    return StagedSampler(samplers) if len(samplers) > 1 else samplers[1]


def _sample(
    durations: Sequence[float], hparams: Mapping[str, Any], ratio: float | None = None
) -> RoundSampler:
    """Batch streams; those of fine-tuning are so many times fewer a batch."""
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
