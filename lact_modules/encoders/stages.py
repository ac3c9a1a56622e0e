"""Runs of blocks, and the ones in the middle that run on segments of frames."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from lact_modules.encoders.block import BlockState
from lact_modules.encoders.heads import CTCHead, Head
from lact_modules.layers.chunking import ChunkedLayer, Chunking
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.layers.dynamic_chunking.router import RouterState
from lact_modules.ops.routing import Routing


class Stages(NamedTuple):
    """Blocks before dynamic chunking, on segments, and after; heads among them."""

    outer: Sequence[nn.Module]
    inner: Sequence[nn.Module] = ()
    last: Sequence[nn.Module] = ()


class InnerState(NamedTuple):
    """Carried state of the blocks on segments, of one utterance.

    Arguments
    ---------
    blocks : list[BlockState] | None
        Of each block; None before the first segment.
    value : Tensor | None
        (1, 1, D), what the frames of the last segment are given.
    """

    blocks: list[BlockState] | None
    value: Tensor | None


class StagesState(NamedTuple):
    """The carried state of stages, of a batch of streams."""

    outer: list[BlockState]
    router: RouterState
    inner: list[InnerState]
    last: list[BlockState]


def inner_blocks(
    block_split: Sequence[int] | None, num_layers: int, is_dynamic: bool
) -> tuple[int, int]:
    """Return which blocks run on segments: the first, and where they end.

    Arguments
    ---------
    block_split : Sequence[int] | None
        How many come before, run on segments, and come after; None: two thirds come
        before, and none after.
    num_layers : int
        Blocks.
    is_dynamic : bool
        Whether there is dynamic chunking.

    Returns
    -------
    tuple[int, int]
        Both `num_layers` without it.

    Raises
    ------
    ValueError
        If that does not fit.

    Example
    -------
    >>> inner_blocks(None, 12, is_dynamic=True)
    (8, 12)
    """
    if not is_dynamic:
        if block_split is not None:
            raise ValueError("block_split: for an encoder with dynamic_chunking")
        return num_layers, num_layers
    if block_split is None:
        return num_layers * 2 // 3, num_layers
    split = [*block_split]
    if len(split) not in (2, 3) or min(split) < 0 or sum(split) > num_layers:
        raise ValueError(
            f"block_split={split}: how many of the {num_layers} blocks come before "
            "dynamic_chunking, run on segments, and come after"
        )
    return split[0], split[0] + split[1]


def run_blocks(
    blocks: Sequence[nn.Module],
    x: Tensor,
    is_padding: Tensor,
    chunking: Chunking,
    state: Sequence[BlockState] | None,
    row: int | None = None,
) -> tuple[Tensor, list[BlockState], Tensor | None]:
    """Run blocks chunk by chunk, see `ChunkedLayer`; heads, see `Head`.

    The last one returned is the output of the last CTC head among them.
    """
    after: list[BlockState] = []
    log_probs = None
    for block in blocks:
        if isinstance(block, Head):
            x, output = block(x, is_padding, row)
            log_probs = output if isinstance(block, CTCHead) else log_probs
            continue
        before = state[len(after)] if state else None
        x, carried = cast(ChunkedLayer, block).chunked(x, is_padding, chunking, before)
        after.append(carried)
    return x, after, log_probs


def run_whole(
    stages: Stages, dynamic: DynamicChunking | None, x: Tensor, is_padding: Tensor
) -> tuple[Tensor, Tensor]:
    """Run stages on whole utterances.

    Arguments
    ---------
    stages : Stages
        Blocks.
    dynamic : DynamicChunking | None
        Makes the segments; None: all blocks run on frames.
    x : Tensor
        (B, T, D), zero at padding.
    is_padding : Tensor
        (B, T) bool.

    Returns
    -------
    x : Tensor
        (B, T, D), or (B, K, D) if the output is per segment.
    is_padding : Tensor
        (B, T) or (B, K) bool.
    """
    x, log_probs = _run_each(stages.outer, x, is_padding)
    if dynamic is not None:
        routing, _ = dynamic.route(x, is_padding, log_probs=log_probs)
        segments = dynamic.compress(x, is_padding, routing)
        z, _ = _run_each(stages.inner, segments.x, segments.is_padding)
        if dynamic.upsample:
            x = dynamic.expand(z, segments, x)
        else:
            x, is_padding = dynamic.settle(z, segments), segments.is_padding
    return _run_each(stages.last, x, is_padding)[0], is_padding


def _run_each(
    blocks: Sequence[nn.Module], x: Tensor, is_padding: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Run blocks and heads; return the output of the last CTC head, too."""
    log_probs = None
    for block in blocks:
        if isinstance(block, Head):
            x, output = block(x, is_padding)
            log_probs = output if isinstance(block, CTCHead) else log_probs
        # empty utterances alone have no segments
        elif x.shape[1]:
            x = block(x, is_padding)
    return x, log_probs


def run_stages(
    stages: Stages,
    dynamic: DynamicChunking,
    x: Tensor,
    is_padding: Tensor,
    chunking: Chunking,
    state: StagesState | None,
) -> tuple[Tensor, StagesState]:
    """Run stages chunk by chunk, see `ChunkedLayer`.

    Inner blocks see the segments that begin in a chunk of `chunking` together. Their
    number differs between utterances, so inner blocks run on each alone.
    """
    x, outer, log_probs = run_blocks(
        stages.outer, x, is_padding, chunking, state.outer if state else None
    )
    routing, router = dynamic.route(
        x, is_padding, state.router if state else None, chunking.size, log_probs
    )
    inner, outputs = [], []
    for row in range(len(x)):
        here = slice(row, row + 1)
        known = state.inner[row] if state else InnerState(None, None)
        length = int((~is_padding[row]).sum())
        each = Routing(*(part[here, :length] for part in routing))
        output, known = _run_inner(
            stages.inner, dynamic, x[here, :length], each, chunking, known, row
        )
        inner.append(known)
        outputs.append(nn.functional.pad(output, (0, 0, 0, x.shape[1] - length)))
    x, last, _ = run_blocks(
        stages.last,
        torch.cat(outputs),
        is_padding,
        chunking,
        state.last if state else None,
    )
    return x, StagesState(outer, router, inner, last)


def _run_inner(
    blocks: Sequence[nn.Module],
    dynamic: DynamicChunking,
    x: Tensor,
    routing: Routing,
    chunking: Chunking,
    state: InnerState,
    row: int,
) -> tuple[Tensor, InnerState]:
    """Run the inner blocks on one utterance (1, T, D) without padding."""
    outputs = [x[:, :0]]
    left = round(chunking.left * dynamic.keep_ratio)
    for start in range(0, x.shape[1], chunking.size):
        span = slice(start, start + chunking.size)
        each = Routing(*(part[:, span] for part in routing))
        segments = dynamic.compress(
            x[:, span], torch.zeros_like(each.is_boundary), each
        )
        z, after = segments.x, state.blocks
        if z.shape[1]:
            none = torch.zeros(z.shape[:2], dtype=torch.bool, device=z.device)
            size = Chunking(z.shape[1], left)
            z, after, _ = run_blocks(blocks, z, none, size, state.blocks, row)
        output, value = dynamic.resume(z, segments, x[:, span], state.value)
        state = InnerState(after, value)
        outputs.append(output)
    return torch.cat(outputs, dim=1), state


StackState = list[BlockState] | StagesState
"""The carried state of an encoder's blocks."""
