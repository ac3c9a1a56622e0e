"""Test the better one on dev: the best checkpoint, or an average of the best."""

import logging
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain.utils.distributed import if_main_process, run_on_main
from torch import Tensor
from tqdm import tqdm

from lact_modules.errors import InputError
from lact_modules.layers.dynamic_chunking.router import Router
from lact_modules.model_store.run.checkpoint import (
    Checkpoint,
    average_checkpoints,
    best_in,
    is_score,
)
from lact_modules.model_store.run.choice import Choice
from lact_modules.training.parallel.main_process import from_main

Weights = dict[str, Tensor]

logger = logging.getLogger(__name__)


def choose_weights(
    folder: Path, metric: str, num: int, validate: Callable[[Weights], float]
) -> Weights:
    """Return the weights to test, and note beside the checkpoints which they are.

    They are an average of the best ``num``, if that is better than the best one.
    Comparing takes a validation; what was compared before is not compared again.
    """
    candidates = from_main(_candidates, folder, metric, num)
    choice = from_main(Choice.load, folder)
    names = [each.folder.name for each in candidates]
    if choice is None or (choice.candidates, choice.metric) != (names, metric):
        choice = from_main(_judge, candidates, metric, _average(candidates, validate))
        run_on_main(choice.save, args=[folder])
    chosen = [each for each in candidates if each.folder.name in choice.checkpoints]
    return average_checkpoints(chosen)


def _candidates(folder: Path, metric: str, num: int) -> list[Checkpoint]:
    best = best_in(folder, num, metric)
    if metric not in best[0].meta:
        raise InputError(f"{folder}: no checkpoint of a whole epoch; train first")
    return best


def _average(
    candidates: Sequence[Checkpoint], validate: Callable[[Weights], float]
) -> float | None:
    if len(candidates) == 1:
        return None
    return validate(average_checkpoints(candidates))


def _judge(
    candidates: Sequence[Checkpoint], metric: str, average: float | None
) -> Choice:
    names = [each.folder.name for each in candidates]
    best = candidates[0].meta[metric]
    if average is None:
        return Choice(names, names, metric, best, None)
    is_better = is_score(average) and not average > best
    logger.info(
        "%s on dev: %.2f of the best checkpoint, %.2f of the average of %d; using %s",
        *(metric, best, average, len(names)),
        "the average" if is_better else "the best checkpoint",
    )
    chosen = names if is_better else names[:1]
    return Choice(chosen, names, metric, best, average)


def validate_weights(brain: Any, weights: Weights) -> float:
    """Measure weights on dev as training does after an epoch; nothing is logged.

    The brain's model is left with these weights.
    """
    model = brain.hparams.model
    model.load_state_dict(weights)
    brain.validated = {name: weights[name].clone() for name in weights}
    brain.on_stage_start(sb.Stage.VALID)
    for module in model.modules():
        # as a test would find it: averaged thresholds, not ones set anew
        if isinstance(module, Router):
            module.calibrate(False)
    brain.modules.eval()
    is_shown = if_main_process() and not brain.noprogressbar
    batches = islice(brain.valid_loader, brain.debug_batches if brain.debug else None)
    total = len(brain.valid_loader)
    loss = 0.0
    with torch.no_grad():
        for batch in tqdm(batches, "weights on dev", total, disable=not is_shown):
            brain.step += 1
            loss = brain.update_average(
                brain.evaluate_batch(batch, sb.Stage.VALID), loss
            )
    brain.step = 0
    return brain.validation_metrics(loss)[brain.metric]
