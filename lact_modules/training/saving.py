"""Which checkpoints a training keeps."""

import logging
from collections.abc import Mapping

from speechbrain.utils.checkpoints import Checkpointer

from lact_modules.training.dataset.long_form_finetuning import LongFormFinetuning


def save_and_keep_best(
    checkpointer: Checkpointer,
    metrics: Mapping[str, float],
    metric: str,
    num: int,
    epoch: float,
    end_of_epoch: bool,
    finetuning: LongFormFinetuning | None = None,
) -> None:
    """Save a checkpoint after a validation, and keep the best.

    The first checkpoint of long-form fine-tuning takes the place of all those before,
    so that none of these is tested or averaged.
    """
    checkpointer.save_and_keep_only(
        meta={**metrics, "epoch": epoch},
        end_of_epoch=end_of_epoch,
        min_keys=[metric],
        num_to_keep=num,
        verbosity=logging.DEBUG,
    )
    if finetuning is None or epoch <= finetuning.first_epoch - 1:
        return
    checkpointer.delete_checkpoints(
        num_to_keep=0,
        min_keys=[metric],
        importance_keys=[],
        ckpt_predicate=lambda saved: (
            saved.meta.get("epoch", 0) <= finetuning.first_epoch - 1
        ),
        verbosity=logging.DEBUG,
    )
