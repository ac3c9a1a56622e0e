"""The fast branch of the LaCT mixer: weights that learn from what they read."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from lact_modules.layers.chunking import Chunking
from lact_modules.layers.learned_rule import LearnedRule
from lact_modules.ops import FastWeight, UpdateRule, chunked_ttt
from lact_modules.ops.heads import (
    RMS_EPSILON,
    Activation,
    Part,
    join_heads,
    split_heads,
)
from lact_modules.ops.precision import in_full
from lact_modules.ops.rotary import Rotation, make_rotation
from lact_modules.ops.ttt.chunked import Mode, start_ttt
from lact_modules.ops.ttt.fast_branch import answer_frames, learn_frames
from lact_modules.ops.ttt.one_step import weight_after
from lact_modules.ops.ttt.state import TTTState, per_utterance


class MemoryState(NamedTuple):
    """Frames so far, and what the fast weights have become; None of an utterance."""

    num_frames: int
    carried: TTTState | None


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """Arguments of `LaCTMixer`, documented there, that are those of its memory."""

    mode: Mode
    chunk_size: int | None
    hidden_ratio: float
    rule: UpdateRule
    base_lr: float
    use_momentum: bool
    rotate_fast: bool
    ttt_rate: float | None
    learn_rule: bool
    gain_warmup: int


class FastWeightMemory(LearnedRule):
    """The fast branch of `LaCTMixer`: its initial weights, rates, norm and gate.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_heads : int
        Fast-weight heads.
    options : MemoryOptions
        Other options of the mixer.

    Raises
    ------
    ValueError
        If bidirectional mode is combined with momentum, or a rule is to be learned
        that has no gain above 0 or no decay between 0 and 1.

    Example
    -------
    >>> from lact_modules.layers import LaCTMixer
    >>> memory = LaCTMixer(32, num_heads=0, num_lact_heads=2).fast
    >>> x, is_padding = torch.randn(2, 9, 32), torch.zeros(2, 9, dtype=torch.bool)
    >>> memory(x, torch.randn(2, 9, 96), is_padding).shape
    torch.Size([2, 9, 32])
    """

    def __init__(self, d_model: int, num_heads: int, options: MemoryOptions):
        super().__init__()
        if options.use_momentum and options.mode == "bidirectional":
            raise ValueError("use_momentum: needs mode 'block' or 'shifted'")
        self.num_heads = num_heads
        self.mode = options.mode
        self.chunk_size = options.chunk_size
        self.rotate_fast = options.rotate_fast
        head_dim = d_model // num_heads
        hidden = round(head_dim * options.hidden_ratio)
        self.gate = nn.Parameter(torch.empty(num_heads, hidden, head_dim))
        self.up = nn.Parameter(torch.empty(num_heads, hidden, head_dim))
        self.down = nn.Parameter(torch.empty(num_heads, head_dim, hidden))
        self.qk_scale = nn.Parameter(torch.ones(2, d_model))
        self.qk_offset = nn.Parameter(torch.zeros(2, d_model))
        self.project_lr = nn.Linear(d_model, 3 * num_heads)
        self.project_momentum = (
            nn.Linear(d_model, num_heads) if options.use_momentum else None
        )
        self.project_gate = nn.Linear(d_model, num_heads)
        self.norm = nn.RMSNorm(head_dim, eps=RMS_EPSILON)
        self.base_lr = options.base_lr
        # softplus(ttt_rates) are the rates of gate, up and down
        self.ttt_rates = (
            nn.Parameter(torch.full((3,), math.log(math.expm1(options.ttt_rate))))
            if options.ttt_rate is not None
            else None
        )
        self.set_rule(
            *(options.rule, num_heads, options.learn_rule, options.gain_warmup)
        )
        self.reset_parameters()

    @property
    def is_sum(self) -> bool:
        """Whether it learns by sums over all frames, in any order."""
        return self.mode == "bidirectional" and not self.rotate_fast

    @property
    def initial(self) -> FastWeight:
        """Fast weights before any update, (H, F, D) and (H, D, F)."""
        return FastWeight(gate=self.gate, up=self.up, down=self.down)

    def reset_parameters(self) -> None:
        """Draw unit-variance fast weights, and rates that start at the base rate."""
        for matrix in self.initial:
            nn.init.normal_(matrix, std=matrix.shape[-1] ** -0.5)
        nn.init.normal_(self.project_lr.weight, std=0.02)
        # softplus(bias) = base_lr
        nn.init.constant_(self.project_lr.bias, math.log(math.expm1(self.base_lr)))

    def forward(
        self,
        x: Tensor,
        qkv: Tensor,
        is_padding: Tensor,
        learned: FastWeight | None = None,
    ) -> Tensor:
        """Learn from the frames and answer them.

        Arguments
        ---------
        x : Tensor
            (B, T, D) input, for rates and gate.
        qkv : Tensor
            (B, T, 3 D) shared projection.
        is_padding : Tensor
            (B, T) bool.
        learned : FastWeight | None
            Of all frames, if these are not all: what :meth:`settle` gave.

        Returns
        -------
        Tensor
            (B, T, D)
        """
        if self.mode == "bidirectional":
            q, kv = divide_projection(qkv)
            if learned is None:
                learned = self.settle(self.summands(x, kv, is_padding), is_padding)
            return answer_frames(
                q,
                learned,
                Activation(self.qk_scale[0], self.qk_offset[0]),
                self.norm.weight,
                self.project_gate(x),
                is_padding,
                self._rotation(q, 0),
            )
        self.count_batch()
        output, _ = self._learn_and_answer(
            x, qkv, is_padding, self.mode, self.chunk_size, MemoryState(0, None)
        )
        return output

    def chunked(
        self,
        x: Tensor,
        qkv: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: MemoryState | None = None,
    ) -> tuple[Tensor, MemoryState]:
        """Learn from each chunk, then answer it; ``"shifted"`` the other way round.

        See `ChunkedLayer`, with qkv (B, T, 3 D) besides. An update learns from one
        chunk, but in ``"shifted"`` mode, which has no look-ahead, from `chunk_size`
        frames.
        """
        mode: Mode = "shifted" if self.mode == "shifted" else "block"
        size = self.chunk_size if mode == "shifted" else chunking.size
        if state is None:
            self.count_batch()
            initial = per_utterance(self.initial, x.shape[0])
            state = MemoryState(0, start_ttt(initial, self.current_rule))
        return self._learn_and_answer(x, qkv, is_padding, mode, size, state)

    def summands(self, x: Tensor, kv: Tensor, is_padding: Tensor) -> dict[str, Tensor]:
        """Return the sums over these frames that :meth:`settle` takes.

        As :meth:`forward`, with keys and values (B, T, 2 D) alone; a sum (B, H, ...)
        is the direction of one of the matrices.
        """
        directions = learn_frames(
            kv,
            self._rates(x),
            per_utterance(self.initial, x.shape[0]),
            Activation(self.qk_scale[1], self.qk_offset[1]),
            is_padding,
            self.rule.update,
            self._rotation(kv, 0),
        )
        return {name: in_full(each) for name, each in directions.items()}

    def settle(self, sums: dict[str, Tensor], is_padding: Tensor) -> FastWeight:
        """Take the step of sums over all frames; (B, T) is their padding."""
        self.count_batch()
        rule, is_valid = self.current_rule, ~is_padding[:, None, :, None]
        direction = {name: rule.rates(each, is_valid) for name, each in sums.items()}
        initial = per_utterance(self.initial, is_padding.shape[0])
        return weight_after(direction, is_padding, rule, initial)

    def _learn_and_answer(
        self,
        x: Tensor,
        qkv: Tensor,
        is_padding: Tensor,
        mode: Mode,
        chunk_size: int | None,
        state: MemoryState,
    ) -> tuple[Tensor, MemoryState]:
        q, k, v = self._project(qkv, state.num_frames)
        momentum = None
        if self.project_momentum is not None:
            momentum = torch.sigmoid(in_full(self.project_momentum(x)))[..., None]
        output, carried = chunked_ttt(
            q,
            k,
            v,
            self._rates(x),
            self.initial,
            mode=mode,
            chunk_size=chunk_size,
            rule=self.current_rule,
            momentum=momentum,
            is_padding=is_padding,
            state=state.carried,
        )
        # (B, T, H, D / H) -> (B, H, T, D / H)
        heads = output.transpose(1, 2)
        output = join_heads(heads, self.norm.weight, self.project_gate(x))
        return output, MemoryState(state.num_frames + x.shape[1], carried)

    def _project(self, qkv: Tensor, first: int) -> tuple[Tensor, Tensor, Tensor]:
        """Split (B, T, 3 D) to 3 x (B, T, H, D / H), from a position on."""
        width = qkv.shape[-1] // 3
        rotation = self._rotation(qkv, first)
        parts = [
            Part(Activation(*affine), True, rotation)
            for affine in zip(self.qk_scale, self.qk_offset, strict=True)
        ]
        as_it_is = Activation(qkv.new_ones(width), qkv.new_zeros(width))
        heads = split_heads(qkv, self.num_heads, [*parts, Part(as_it_is)])
        # (B, H, T, D / H) -> (B, T, H, D / H)
        q, k, v = (each.transpose(1, 2) for each in heads)
        return q, k, v

    def _rotation(self, x: Tensor, first: int) -> Rotation | None:
        if not self.rotate_fast:
            return None
        return make_rotation(first, x.shape[1], self.gate.shape[-1], like=x)

    def _rates(self, x: Tensor) -> Tensor:
        # (B, T, 3 H) -> (B, T, H, 3)
        rates = in_full(self.project_lr(x)).unflatten(-1, (self.num_heads, -1))
        return softplus(rates)


def divide_projection(qkv: Tensor) -> tuple[Tensor, Tensor]:
    """Divide (B, T, 3 D) into queries (B, T, D), and keys and values (B, T, 2 D)."""
    width = qkv.shape[-1] // 3
    q, kv = qkv.split([width, 2 * width], dim=-1)
    return q, kv
