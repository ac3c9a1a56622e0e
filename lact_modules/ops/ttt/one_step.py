"""One step of fast weights, for utterances that may have no frames."""

import torch
from torch import Tensor

from lact_modules.ops.ttt.fast_weight import FastWeight
from lact_modules.ops.ttt.update_rule import UpdateRule


def weight_after(
    direction: dict[str, Tensor],
    is_padding: Tensor,
    rule: UpdateRule,
    initial: FastWeight,
) -> FastWeight:
    """Return the weights that one step from the initial ones (B, H, ...) leaves.

    `direction` is that of all frames, see `descent_direction`; without frames nothing
    moves.
    """
    with torch.autocast(device_type=is_padding.device.type, enabled=False):
        dtype = initial.gate.dtype
        learned = {name: matrix.to(dtype) for name, matrix in direction.items()}
        begun = rule.begin(initial)
        if rule.accumulate == "steps":
            is_valid = ~is_padding[:, None, :, None]
            learned = stepped(learned, is_valid, rule, initial, begun)
        else:
            # nothing was summed before; a decay that is learned has its gradient, zero
            kept = 1 - rule.decay
            learned = {
                name: matrix + kept * begun[name] for name, matrix in learned.items()
            }
        return rule.weight(learned, initial)


def stepped(
    direction: dict[str, Tensor],
    is_valid: Tensor,
    rule: UpdateRule,
    initial: FastWeight,
    learned: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Take a step where there are frames, (B, 1, T, 1); elsewhere nothing moves.

    `direction` and `learned` are (B, H, ...), by names of matrices.
    """
    moved = rule.step(initial._replace(**learned), direction, initial)
    has_frames = is_valid.any(dim=2, keepdim=True)
    return {
        name: torch.where(has_frames, getattr(moved, name), before)
        for name, before in learned.items()
    }
