"""Stop losses that are no numbers from ruining a model, and name their culprits."""

import logging
from collections.abc import Sequence

import torch
from speechbrain.utils.distributed import ddp_all_reduce
from torch import Tensor

from lact_modules.errors import InputError

logger = logging.getLogger(__name__)


def infeasible(target_ids: Tensor, target_lengths: Tensor, frames: Tensor) -> Tensor:
    """Find utterances that CTC cannot align: more labels than frames.

    A label that repeats its neighbour needs a blank between, so one more frame.
    PyTorch's loss is infinite for them (or silently zero with `zero_infinity`).
    """
    is_repeat = target_ids[:, 1:] == target_ids[:, :-1]
    labels = torch.arange(1, is_repeat.shape[1] + 1, device=target_ids.device)
    repeats = (is_repeat & (labels < target_lengths[:, None])).sum(dim=1)
    return frames < target_lengths + repeats


class NonFiniteGuard:
    """Count losses and gradients in a row that are NaN or infinite.

    ``patience`` of them between two updates are skipped; one more stops the training.
    Under DDP every rank learns of a fault on any, so that all skip together.
    """

    def __init__(self, patience: int = 5):
        self.patience = patience
        self.in_a_row = 0

    def is_bad(self, values: Tensor, ids: Sequence[str]) -> bool:
        """Return whether any value is not finite, on any rank; log whose it is.

        Values are (B,), one for each id, or one that all ids share.
        """
        bad = ~torch.isfinite(values.detach()).expand(len(ids)).cpu()
        culprits = [name for name, is_bad in zip(ids, bad, strict=True) if is_bad]
        any_bad = bad.any().float().to(values.device)
        if not ddp_all_reduce(any_bad, torch.distributed.ReduceOp.MAX):
            return False
        self.in_a_row += 1
        if culprits:
            logger.warning("not finite, skipped: %s", ", ".join(culprits))
        if self.in_a_row > self.patience:
            raise InputError(
                f"training stopped: {self.in_a_row} losses in a row are not finite "
                f"(last: {', '.join(culprits[:8]) or 'on another rank'}); lower the "
                "learning rate or check these utterances"
            )
        return True

    def reset(self) -> None:
        """Count anew, after an update that was made."""
        self.in_a_row = 0
