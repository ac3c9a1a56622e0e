"""Language models that a search asks token by token."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor


class TokenModel(Protocol):
    """Predicts each token from those before it; its state is an argument and a result.

    States have ``select(rows)``, as `DecoderState`: reorder, drop and repeat texts.
    """

    def start(self, batch_size: int) -> Any:
        """Return the state before the token that begins texts."""

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Continue texts by (R,) tokens: (R, V) float32 of the next; `state` stays."""


@dataclass(frozen=True)
class Texts:
    """Texts (R, U) as they are."""

    tokens: Tensor

    def select(self, rows: Tensor) -> "Texts":
        """Reorder, drop and repeat texts: (R',) int64, rows to keep."""
        return replace(self, tokens=self.tokens[rows])


class RereadingModel:
    """A causal model, (R, U) to logits (R, U, V), that rereads the text for a token."""

    def __init__(self, model: Callable[[Tensor], Tensor]):
        self.model = model

    def start(self, batch_size: int) -> Texts:
        """Return the state before the token that begins texts."""
        return Texts(torch.zeros(batch_size, 0, dtype=torch.int64))

    def step(self, tokens: Tensor, state: Texts) -> tuple[Tensor, Texts]:
        """Score what follows (R,) more tokens: (R, V) float32; see `TokenModel`."""
        before = state.tokens.to(tokens.device)
        texts = torch.cat([before, tokens[:, None]], dim=1)
        return self.model(texts)[:, -1].float().log_softmax(dim=-1), Texts(texts)
