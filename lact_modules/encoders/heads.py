"""Heads after blocks of an encoder, such as of intermediate CTC."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


class Head(nn.Module):
    """Reads frames after a block, and passes them on.

    In training its output, over the last axis, is for a loss; a head has no state.

    Example
    -------
    >>> x = torch.randn(1, 5, 8)
    >>> Head()(x, torch.zeros(1, 5).bool())[0] is x
    True
    """

    def forward(
        self, x: Tensor, is_padding: Tensor, row: int | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Compute an output for frames.

        Arguments
        ---------
        x : Tensor
            (B, T, D); finite, but without influence at padding.
        is_padding : Tensor
            (B, T) bool.
        row : int | None
            Which utterance of the batch they are of, where each is run alone, for
            hooks; None: of all.

        Returns
        -------
        x : Tensor
            (B, T, D), for the next block.
        output : Tensor | None
            (B, T, ...); None if it is not needed.
        """
        return x, None


class CTCHead(Head):
    """A norm and an output layer for CTC, as after the last block.

    Intermediate CTC (arXiv 2102.03216) trains it, and so the blocks below. With
    `self_conditioning` (arXiv 2104.02724) its output goes to the blocks above: a
    projection of its posteriors is added to the frames.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_tokens : int
        Output units, the blank, token 0, included; a model whose encoder this is in
        sets them to its own.
    self_conditioning : bool
        Whether to add that projection.

    Attributes
    ----------
    is_asked : bool
        Whether it has an output outside of training without self-conditioning too.

    Example
    -------
    >>> head, x = CTCHead(8, num_tokens=5, self_conditioning=True), torch.randn(2, 9, 8)
    >>> conditioned, log_probs = head(x, torch.zeros(2, 9).bool())
    >>> conditioned.shape, log_probs.shape
    (torch.Size([2, 9, 8]), torch.Size([2, 9, 5]))
    """

    def __init__(
        self, d_model: int, num_tokens: int = 2, self_conditioning: bool = False
    ):
        super().__init__()
        self.d_model, self.self_conditioning = d_model, self_conditioning
        self.runs_in_eval = False
        self.norm = nn.LayerNorm(d_model)
        self.set_num_tokens(num_tokens)

    def set_num_tokens(self, num_tokens: int) -> None:
        """Make layers for so many tokens, with fresh weights."""
        # with a seed, all else begins as without it
        with torch.random.fork_rng(devices=[]):
            self.output = nn.Linear(self.d_model, num_tokens)
            self.condition = (
                nn.Linear(num_tokens, self.d_model) if self.self_conditioning else None
            )

    def forward(
        self, x: Tensor, is_padding: Tensor, row: int | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """See `Head`: outputs log-probabilities (B, T, num_tokens), float32 or more."""
        if self.condition is None and not (self.training or self.runs_in_eval):
            return x, None
        scores = self.output(self.norm(x))
        log_probs = scores.to(torch.promote_types(scores.dtype, torch.float32))
        log_probs = log_probs.log_softmax(dim=-1)
        if self.condition is not None:
            conditioning = self.condition(log_probs.exp().to(scores.dtype))
            x = x + conditioning.masked_fill(is_padding[..., None], 0.0)
        return x, log_probs


HeadFactory = Callable[[int], Head]
"""Makes a head, given the model dimension."""

HEADS: dict[str, HeadFactory] = {
    "ctc": CTCHead,
    "self-conditioned-ctc": partial(CTCHead, self_conditioning=True),
}
"""Names that YAML may have in the place of a factory."""

Heads = Mapping[int | str, str | HeadFactory | Sequence[str | HeadFactory] | None]
"""By the block before them, counted from 1, or `MIDDLE`; None: no head."""

MIDDLE = "middle"
"""The last block of the lower half, before any on segments."""

_FORM = f"{{BLOCK: HEAD}}, each of {sorted(HEADS)}, null, or a class by !name:"


def make_heads(
    heads: Heads, d_model: int, num_layers: int, num_on_frames: int | None = None
) -> nn.ModuleDict:
    """Make the heads of an encoder.

    Arguments
    ---------
    heads : Heads
        Names of `HEADS` or factories; numbers may be text, as in JSON. For the middle
        block, its number takes precedence; a single block is not the middle one.
    d_model : int
        Model dimension.
    num_layers : int
        Blocks.
    num_on_frames : int | None
        How many of them come before those on segments, which the middle one is not
        among; None: all.

    Returns
    -------
    nn.ModuleDict
        By the block's number; of several after one block, the second is ``"6_2"``.

    Raises
    ------
    ValueError
        If there is no such block, or no head of that name, or that is no head.

    Example
    -------
    >>> list(make_heads({"middle": "ctc", 3: ["ctc", "self-conditioned-ctc"]}, 8, 4))
    ['2', '3', '3_2']
    """
    if not isinstance(heads, Mapping):
        raise ValueError(f"heads: {heads!r}: expected {_FORM}")
    return nn.ModuleDict(
        {
            name_of(block, number): _make_head(each, d_model)
            for block, several in list_heads(heads, num_layers, num_on_frames).items()
            for number, each in enumerate(several, start=1)
        }
    )


def list_heads(
    heads: Mapping[Any, Any], num_layers: int, num_on_frames: int | None = None
) -> dict[int, list[Any]]:
    """List heads by the number of the block before them, as `make_heads` finds them.

    Raises ValueError if there is no such block.
    """
    others = dict(heads)
    middle = others.pop(MIDDLE, None)
    found: dict[int, Any] = {}
    for block, given in others.items():
        if not str(block).isdecimal() or not 1 <= int(block) <= num_layers:
            raise ValueError(
                f"heads: {block!r}: the block before the head, {MIDDLE} or from 1 to "
                f"{num_layers}"
            )
        if int(block) in found:
            raise ValueError(f"heads: {block!r} twice; expected its heads in a list")
        found[int(block)] = given
    on_frames = num_layers if num_on_frames is None else num_on_frames
    if half := min(num_layers // 2, on_frames):
        found.setdefault(half, middle)
    return {
        block: [*given] if isinstance(given, (list, tuple)) else [given]
        for block, given in sorted(found.items())
        if given is not None
    }


def _make_head(given: str | HeadFactory, d_model: int) -> Head:
    if isinstance(given, str) and given not in HEADS:
        raise ValueError(f"heads: {given!r}: choose one of {sorted(HEADS)}")
    make = HEADS[given] if isinstance(given, str) else given
    if isinstance(make, nn.Module):
        raise ValueError(f"heads: a made {type(make).__name__}; expected {_FORM}")
    if not callable(make):
        raise ValueError(f"heads: {given!r}: expected {_FORM}")
    with torch.random.fork_rng(devices=[]):
        head = make(d_model)
    if not isinstance(head, Head):
        raise ValueError(f"heads: a {type(head).__name__} is no head; expected {_FORM}")
    return head


def heads_after(heads: nn.ModuleDict, block: int) -> list[nn.Module]:
    """Return the heads after a block, counted from 1.

    Arguments
    ---------
    heads : nn.ModuleDict
        From `make_heads`.
    block : int
        Its number.

    Returns
    -------
    list[nn.Module]
        Perhaps none.
    """
    return [head for name, head in heads.items() if block_of(name) == block]


def name_of(block: int, number: int) -> str:
    """Name a head by the block before it, and its place there, from 1."""
    return f"{block}" if number == 1 else f"{block}_{number}"


def block_of(name: str) -> int:
    """Return the number of the block before the head of a name."""
    return int(name.partition("_")[0])


def ctc_head_after(heads: nn.ModuleDict, block: int) -> CTCHead | None:
    """Return the CTC head after a block, counted from 1; None if there is none."""
    found = (head for head in heads_after(heads, block) if isinstance(head, CTCHead))
    return next(found, None)
