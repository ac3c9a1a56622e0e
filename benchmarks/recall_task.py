"""A task of associative recall, the model that learns it, and its mixers."""

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, ctc_loss
from torchaudio.functional import edit_distance

from lact_modules.encoders import Encoder
from lact_modules.errors import InputError
from lact_modules.layers import (
    AttentionMixer,
    BiMambaMixer,
    FeedForward,
    GatedDeltaNetMixer,
    LaCTMixer,
    SummaryMixer,
)
from lact_modules.ops import UpdateRule

Factory = Callable[..., nn.Module]

NO_ANSWER = -100


class Objective(str, Enum):
    """What is trained.

    Answers in the frames of their queries (`FRAMES`), and a blank in all others
    (`ALIGNED`); the order of the answers alone (`CTC`); or, one half of the steps each,
    what is aligned and then the order (`ALIGNED_CTC`).
    """

    FRAMES = "frames"
    ALIGNED = "aligned"
    CTC = "ctc"
    ALIGNED_CTC = "aligned-ctc"

    __str__ = str.__str__


class Recall(NamedTuple):
    """A task: `pairs` to remember over at least `gap` of `length` tokens.

    There are as many keys as values, and a blank. A token lasts for so many `frames`,
    as words do in speech.
    """

    pairs: int = 8
    gap: int = 28
    length: int = 128
    num_values: int = 16
    frames: int = 1
    objective: Objective = Objective.FRAMES

    @property
    def num_tokens(self) -> int:
        """Keys, values and the blank, which comes last."""
        return 2 * self.num_values + 1

    @property
    def num_outputs(self) -> int:
        """Values, and after them the blank of CTC."""
        return self.num_values + (self.objective is not Objective.FRAMES)

    def stage(self, done: float) -> "Recall":
        """Return the task after a share of the steps, with one objective."""
        if self.objective is not Objective.ALIGNED_CTC:
            return self
        now = Objective.ALIGNED if done < 0.5 else Objective.CTC
        return self._replace(objective=now)

    def draw(
        self, batch_size: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw sequences.

        Arguments
        ---------
        batch_size : int
            B, how many.
        generator : torch.Generator
            Draws them.

        Returns
        -------
        tokens : Tensor
            (B, T) int64, the token of each frame; T is `length` times `frames`.
        answers : Tensor
            (B, T) int64, the value of the queried key, or `NO_ANSWER`.

        Raises
        ------
        InputError
            If there are fewer keys or places than pairs, or no pairs or frames.
        """
        if self.pairs < 1 or self.frames < 1:
            raise InputError(
                f"{self.pairs} pairs, {self.frames} frames: expected at least one each"
            )
        part = (self.length - self.gap) // 2
        if self.pairs > min(self.num_values, part // 2):
            raise InputError(
                f"{self.pairs} pairs: there are {self.num_values} keys, and before a "
                f"gap of {self.gap} in {self.length} tokens, places for {part // 2}"
            )

        def some(number: int) -> Tensor:
            order = torch.rand(batch_size, number, generator=generator).argsort()
            return order[:, : self.pairs]

        keys = some(self.num_values)
        values = torch.randint(self.num_values, keys.shape, generator=generator)
        places, queries = 2 * some(part // 2), self.length - part + some(part)
        tokens = torch.full((batch_size, self.length), self.num_tokens - 1)
        tokens.scatter_(1, places, keys)
        tokens.scatter_(1, places + 1, self.num_values + values)
        tokens.scatter_(1, queries, keys)
        answers = torch.full_like(tokens, NO_ANSWER).scatter_(1, queries, values)
        return tuple(
            each.repeat_interleave(self.frames, dim=1) for each in (tokens, answers)
        )

    def score(self, logits: Tensor, answers: Tensor) -> tuple[Tensor, float]:
        """Return the loss of (B, T, outputs) logits, and the share of right answers."""
        if self.objective is not Objective.FRAMES:
            loss, accuracy = _score_ctc(logits, self._in_order(answers))
            if self.objective is Objective.ALIGNED:
                loss = _aligned_loss(logits, answers)
            return loss, accuracy
        is_query = answers != NO_ANSWER
        logits, answers = logits[is_query], answers[is_query]
        is_right = logits.argmax(dim=-1) == answers
        return cross_entropy(logits, answers), is_right.float().mean().item()

    def _in_order(self, answers: Tensor) -> Tensor:
        """Return (B, pairs) values, in the order of the queries."""
        of_tokens = answers[:, :: self.frames]
        return of_tokens[of_tokens != NO_ANSWER].view(len(answers), self.pairs)


def _aligned_loss(logits: Tensor, answers: Tensor) -> Tensor:
    """Return the cross-entropy of all frames, those without an answer by a tenth."""
    weights = torch.ones(logits.shape[-1])
    weights[-1] = 0.1
    labels = answers.masked_fill(answers == NO_ANSWER, len(weights) - 1)
    return cross_entropy(logits.flatten(0, 1), labels.flatten(), weight=weights)


def _score_ctc(logits: Tensor, values: Tensor) -> tuple[Tensor, float]:
    """Score by CTC; greedy decoding misses, confuses and adds values."""
    batch, frames, blank = *logits.shape[:2], logits.shape[-1] - 1
    loss = ctc_loss(
        logits.log_softmax(dim=-1).transpose(0, 1),
        values,
        torch.full((batch,), frames),
        torch.full((batch,), values.shape[1]),
        blank=blank,
    )
    collapsed = [best.unique_consecutive() for best in logits.argmax(dim=-1)]
    found = [best[best != blank].tolist() for best in collapsed]
    errors = sum(map(edit_distance, found, values.tolist()))
    return loss, max(0.0, 1 - errors / values.numel())


class Recaller(nn.Module):
    """An embedding, transformer blocks with a mixer, and scores of the values.

    Arguments
    ---------
    task : Recall
        Whose tokens and values there are.
    mixer : Factory
        Makes a mixer, given the model dimension.
    d_model : int
        Model dimension.
    num_blocks : int
        Blocks.
    """

    def __init__(
        self, task: Recall, mixer: Factory, d_model: int = 64, num_blocks: int = 2
    ):
        super().__init__()
        self.embedding = nn.Embedding(task.num_tokens, d_model)
        self.encoder = Encoder(
            d_model,
            num_blocks,
            mixer=partial(mixer, d_model),
            ffn_out=partial(FeedForward, d_model, 2 * d_model),
        )
        self.project = nn.Linear(d_model, task.num_outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T) tokens to (B, T, outputs) logits."""
        lengths = torch.full((len(tokens),), tokens.shape[1])
        hidden, _ = self.encoder(self.embedding(tokens), lengths)
        return self.project(hidden)


def lact(
    window: int = 4, rotate_fast: bool = False, base_lr: float = 0.01, **rule: Any
) -> Factory:
    """Return a factory of attention to a window with fast weights beside it."""
    return partial(
        LaCTMixer,
        num_heads=2,
        num_lact_heads=2,
        window=(window, window),
        rule=UpdateRule(**rule),
        base_lr=base_lr,
        rotate_fast=rotate_fast,
    )


def attention(window: int | None = None) -> Factory:
    """Return a factory of attention to a window, or to all."""
    return partial(AttentionMixer, num_heads=2, window=(window, window))


_PLAIN: dict[str, Any] = dict(
    optimizer="gradient_descent", normalization="none", base_lr=1.0
)
# a mean over all frames: at rate 1 it is small against initial weights of unit variance
_CLIPPED: dict[str, Any] = dict(
    optimizer="clipped_descent", normalization="none", base_lr=16.0
)
# nothing moves at gain 0: the cheapest rule stands for all
_STILL: dict[str, Any] = dict(optimizer="gradient_descent", update="down", gain=0.0)
SYSTEMS: dict[str, Factory] = {
    "window": attention(4),
    "full attention": attention(),
    "ConMamba": BiMambaMixer,
    "Gated DeltaNet": partial(GatedDeltaNetMixer, num_heads=2, expand=1.0),
    "SummaryMixing": SummaryMixer,
    "LaCT that never learns": lact(**_STILL),
    "Muon, down": lact(update="down"),
    "Muon, down, rotated": lact(update="down", rotate_fast=True),
    "Muon, down, summed": lact(update="down", accumulate="directions"),
    "Muon, all": lact(),
    "Muon, all, rotated": lact(rotate_fast=True),
    "gradient, down": lact(**_PLAIN, update="down"),
    "gradient, all": lact(**_PLAIN),
    "gradient, all, rotated": lact(**_PLAIN, rotate_fast=True),
    "gradient, all, row norms kept": lact(optimizer="gradient_descent"),
    "clipped, down": lact(**_CLIPPED, update="down"),
    "clipped, all": lact(**_CLIPPED),
    "clipped, all, rate 1": lact(**{**_CLIPPED, "base_lr": 1.0}),
    "clipped, all, rotated": lact(**_CLIPPED, rotate_fast=True),
}
"""Mixers by what they are called; LaCT by its update rule, and what of it moves."""
