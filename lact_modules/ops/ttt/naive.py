"""The specification of `chunked_ttt`: slow and obvious, gradients by autograd.

Legend: B batch, T frames, H heads, D head dimension, F hidden dimension.
"""

import torch
from torch import Tensor

from lact_modules.ops.ttt.fast_weight import FastWeight
from lact_modules.ops.ttt.update_rule import UpdateRule


def naive_ttt(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    fast_weight: FastWeight,
    *,
    mode: str,
    chunk_size: int | None = None,
    rule: UpdateRule,
    momentum: Tensor | None = None,
    is_padding: Tensor | None = None,
) -> Tensor:
    """Run every utterance alone, without its padding, one head at a time.

    Arguments and output, zero at padding, are those of `chunked_ttt`.
    """
    batch_size, num_frames, num_heads, _ = q.shape
    lengths = [num_frames] * batch_size
    if is_padding is not None:
        lengths = (~is_padding).sum(dim=1).tolist()
    utterances = []
    for b, length in enumerate(lengths):
        size = chunk_size if chunk_size and mode != "bidirectional" else length
        heads = []
        for h in range(num_heads):
            at = (b, slice(length), h)
            initial = FastWeight(
                *(w[b, h] if w.dim() == 4 else w[h] for w in fast_weight)
            )
            output = _one_head(
                q[at],
                k[at],
                v[at],
                lr[at],
                momentum=None if momentum is None else momentum[at],
                initial=initial,
                mode=mode,
                chunk_size=size,
                rule=rule,
            )
            heads.append(output)
        utterance = torch.stack(heads, dim=1)
        padding = (0, 0, 0, 0, 0, num_frames - length)
        utterances.append(torch.nn.functional.pad(utterance, padding))
    return torch.stack(utterances)


def _one_head(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    momentum: Tensor | None,
    initial: FastWeight,
    mode: str,
    chunk_size: int,
    rule: UpdateRule,
) -> Tensor:
    """Walk over the chunks of one head of one utterance; all inputs are (T, ...)."""
    weight = accumulated = initial
    running: dict[str, Tensor] = {}
    outputs = []
    for start in range(0, len(q), chunk_size):
        chunk = slice(start, start + chunk_size)
        rates = lr[chunk]
        if rule.optimizer == "clipped_descent":
            rates = rates / len(rates)
        direction = _autograd_direction(weight, k[chunk], v[chunk], rates)
        if rule.update == "down":
            direction = {"down": direction["down"]}
        if momentum is not None or rule.accumulate == "directions":
            factor = 1.0 if momentum is None else momentum[chunk].mean()
            if rule.accumulate == "directions":
                factor = factor * (1 - rule.decay)
            for name, matrix in running.items():
                direction[name] = direction[name] + factor * matrix
            running = direction
        before = weight
        accumulated = rule.step(accumulated, direction, initial)
        weight = rule.effective(accumulated, initial)
        outputs.append(_swiglu(before if mode == "shifted" else weight, q[chunk]))
    return torch.cat(outputs) if outputs else q


def _swiglu(weight: FastWeight, x: Tensor) -> Tensor:
    hidden = torch.nn.functional.silu(x @ weight.gate.T) * (x @ weight.up.T)
    return hidden @ weight.down.T


def _autograd_direction(
    weight: FastWeight, k: Tensor, v: Tensor, lr: Tensor
) -> dict[str, Tensor]:
    """Differentiate the loss once for each matrix, with that matrix's own rates."""

    def loss(weight: FastWeight, rates: Tensor) -> Tensor:
        return -(rates * (_swiglu(weight, k) * v).sum(dim=-1)).sum()

    gradient = torch.func.grad(loss)
    return {
        name: -getattr(gradient(weight, lr[:, column]), name)
        for column, name in enumerate(("gate", "down", "up"))
    }
