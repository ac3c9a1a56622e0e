"""The LaCT mixer: attention over a window, fast weights over the whole."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lact_modules.layers.attention import AttentionState, RotaryAttention
from lact_modules.layers.chunking import Chunking
from lact_modules.layers.fast_weight_memory import (
    FastWeightMemory,
    MemoryOptions,
    MemoryState,
    divide_projection,
)
from lact_modules.layers.pieces import Context, sum_by_pieces
from lact_modules.ops import FastWeight, UpdateRule
from lact_modules.ops.ttt.chunked import Mode


class LaCTState(NamedTuple):
    """The carried state of both branches; None of a branch that is off."""

    attention: AttentionState | None
    fast: MemoryState | None


class LaCTMixer(nn.Module):
    """Mix frames by softmax attention plus test-time-trained fast weights.

    Both branches share one QKV projection (arXiv 2505.23884, sec. 4.1). Attention
    is exact and may be cut to a window; the fast weights memorize keys and values
    of the utterance in `chunk_size` steps and carry what the window forgets. Their
    q and k are rescaled per channel, passed through SiLU and L2-normalized; their
    output is RMS-normalized per head and gated per head and frame.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_heads : int
        Attention heads; 0 switches attention off.
    num_lact_heads : int
        Fast-weight heads; 0 switches the fast weights off.
    mode : Mode
        ``"bidirectional"``, ``"block"`` or ``"shifted"``, see `chunked_ttt`.
    chunk_size : int | None
        Frames a chunk, for the chunked modes.
    window : Sequence[int | None]
        Frames to the left and right that attention sees; None for all.
    hidden_ratio : float
        Hidden dimension of a fast weight over its head dimension.
    rule : UpdateRule | None
        How fast weights take a step; None is Muon, gain 1, post-norm, all.
    base_lr : float
        Learning rate of a token before training.
    use_momentum : bool
        Add momentum with learned per-token factors.
    rotate_fast : bool
        Rotary positions in the fast branch too. What a key answers then depends on how
        far away the query is, and recall over a gap is learned with some seeds alone
        (``benchmarks/recall.py``).
    dropout : float
        Of attention weights.
    ttt_rate : float | None
        Size of a step by which test-time training moves each of the three initial
        matrices, relative to fresh ones, before meta-training has learned it. None
        learns none.
    learn_rule : bool
        Learn the rule's gain and decay, one of each a head, from those given.
    gain_warmup : int
        Batches of training in which the gain grows evenly to what it is to be, so that
        nothing is learned at full strength while keys mean nothing (as inner rates do
        in arXiv 2512.23675). Counted in the model, and kept with it.

    Raises
    ------
    ValueError
        If both branches are off, heads do not divide the model dimension, momentum is
        combined with bidirectional mode, which takes a single step, or a rule is to be
        learned that has no gain above 0 or no decay between 0 and 1.

    Example
    -------
    >>> mixer = LaCTMixer(d_model=32, num_heads=4, num_lact_heads=2)
    >>> x, is_padding = torch.randn(2, 9, 32), torch.zeros(2, 9, dtype=torch.bool)
    >>> mixer(x, is_padding).shape
    torch.Size([2, 9, 32])
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_lact_heads: int,
        mode: Mode = "bidirectional",
        chunk_size: int | None = None,
        window: Sequence[int | None] = (None, None),
        hidden_ratio: float = 1.0,
        rule: UpdateRule | None = None,
        base_lr: float = 0.01,
        use_momentum: bool = False,
        rotate_fast: bool = False,
        dropout: float = 0.0,
        ttt_rate: float | None = None,
        learn_rule: bool = False,
        gain_warmup: int = 0,
    ):
        super().__init__()
        if not num_heads and not num_lact_heads:
            raise ValueError("num_heads and num_lact_heads: one must be above 0")
        for heads in filter(None, (num_heads, num_lact_heads)):
            if d_model % (2 * heads):
                raise ValueError(
                    f"d_model={d_model}: must be a multiple of 2 x {heads}"
                )
        self.project_qkv = nn.Linear(d_model, 3 * d_model)
        self.project_output = nn.Linear(d_model, d_model)
        self.attention = (
            RotaryAttention(num_heads, window, dropout) if num_heads else None
        )
        options = MemoryOptions(
            mode=mode,
            chunk_size=chunk_size,
            hidden_ratio=hidden_ratio,
            rule=rule or UpdateRule(),
            base_lr=base_lr,
            use_momentum=use_momentum,
            rotate_fast=rotate_fast,
            ttt_rate=ttt_rate,
            learn_rule=learn_rule,
            gain_warmup=gain_warmup,
        )
        self.fast = (
            FastWeightMemory(d_model, num_lact_heads, options)
            if num_lact_heads
            else None
        )

    @property
    def context(self) -> Context | None:
        """Receptive field of both branches around a frame, see `MemoryLayer`."""
        if self.fast is not None and not self.fast.is_sum:
            return None
        return (0, 0) if self.attention is None else self.attention.context

    def learn(
        self, x: Tensor, is_padding: Tensor, read: Callable[[Tensor], Tensor]
    ) -> FastWeight | None:
        """Return the fast weights after all frames, see `MemoryLayer`."""
        if self.fast is None:
            return None
        fast = self.fast

        def summands(x: Tensor, is_padding: Tensor) -> dict[str, Tensor]:
            x = read(x)
            _, kv = divide_projection(self.project_qkv(x))
            return fast.summands(x, kv, is_padding)

        return fast.settle(sum_by_pieces(summands, x, is_padding), is_padding)

    def forward(
        self, x: Tensor, is_padding: Tensor, learned: FastWeight | None = None
    ) -> Tensor:
        """Map (B, T, D) with its (B, T) padding to (B, T, D).

        Of a piece of the frames, after :meth:`learn`, that is its third argument.
        """
        qkv = self.project_qkv(x)
        branches = []
        if self.attention is not None:
            branches.append(self.attention(qkv, is_padding))
        if self.fast is not None:
            branches.append(self.fast(x, qkv, is_padding, learned))
        # memory for what follows, unless gradients want it
        del qkv
        return self.project_output(reduce(torch.add, branches))

    def chunked(
        self,
        x: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: LaCTState | None = None,
    ) -> tuple[Tensor, LaCTState]:
        """Mix chunk by chunk, see `ChunkedLayer` and the branches' own methods."""
        qkv = self.project_qkv(x)
        attention, fast = state or (None, None)
        branches = []
        if self.attention is not None:
            seen, attention = self.attention.chunked(
                qkv, is_padding, chunking, attention
            )
            branches.append(seen)
        if self.fast is not None:
            known, fast = self.fast.chunked(x, qkv, is_padding, chunking, fast)
            branches.append(known)
        return self.project_output(reduce(torch.add, branches)), LaCTState(
            attention, fast
        )
