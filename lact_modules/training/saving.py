"""Which checkpoints a training keeps."""

import logging
from collections.abc import Mapping

from speechbrain.utils.checkpoints import Checkpointer

from lact_modules.training.dataset.last_stage import LastStage


def save_and_keep_best(
    checkpointer: Checkpointer,
    metrics: Mapping[str, float],
    metric: str,
    num: int,
    epoch: float,
    end_of_epoch: bool,
    last_stage: LastStage | None = None,
) -> None:
    """Save a checkpoint after a validation, and keep the best.

    Of a last stage the first checkpoint takes the place of all those before, so that
    none of these is tested or averaged.

    Arguments
    ---------
    checkpointer : Checkpointer
        Of the training.
    metrics : Mapping[str, float]
        Of the validation.
    metric : str
        One of them; the lowest is the best.
    num : int
        How many to keep.
    epoch : float
        Epochs done.
    end_of_epoch : bool
        False: a run that is called again continues within the epoch.
    last_stage : LastStage | None
        Of the training.
    """
    checkpointer.save_and_keep_only(
        meta={**metrics, "epoch": epoch},
        end_of_epoch=end_of_epoch,
        min_keys=[metric],
        num_to_keep=num,
        verbosity=logging.DEBUG,
    )
    if last_stage is None or epoch <= last_stage.first_epoch - 1:
        return
    checkpointer.delete_checkpoints(
        num_to_keep=0,
        min_keys=[metric],
        importance_keys=[],
        ckpt_predicate=lambda saved: (
            saved.meta.get("epoch", 0) <= last_stage.first_epoch - 1
        ),
        verbosity=logging.DEBUG,
    )
