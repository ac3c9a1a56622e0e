"""What dynamic chunking adds to a training: losses, and numbers to watch."""

from typing import Any, NamedTuple

import torch
from speechbrain.core import Stage
from torch import Tensor, nn

from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.ops.routing import Routing, ratio_loss


class Routed(NamedTuple):
    """What a router was given, frames (B, T, D) or a substitute, and what it chose."""

    x: Tensor
    is_padding: Tensor
    routing: Routing


class ChunkingWatch:
    """See what a model's router chooses, by a hook on it."""

    def __init__(self, chunking: DynamicChunking):
        self.chunking = chunking
        self.last: Routed | None = None
        chunking.router.register_forward_hook(self._note)
        self.begin(Stage.TRAIN)

    @classmethod
    def of(cls, model: nn.Module) -> "ChunkingWatch | None":
        """Watch a model's dynamic chunking; None if it has none."""
        for module in model.modules():
            if isinstance(module, DynamicChunking):
                return cls(module)
        return None

    def begin(self, stage: Stage) -> None:
        """Begin a stage: count anew, and calibrate the router in validation."""
        self.counts = torch.zeros(2, dtype=torch.int64)
        self.chunking.router.calibrate(stage == Stage.VALID)

    def end(self) -> None:
        """End a stage."""
        self.chunking.router.calibrate(False)

    @property
    def keep_ratio(self) -> float:
        """Share of the stage's frames that began a segment; nan without any."""
        segments, frames = self.counts.tolist()
        return segments / frames if frames else float("nan")

    def _note(
        self, router: nn.Module, given: tuple[Any, ...], answer: tuple[Any, ...]
    ) -> None:
        (x, is_padding, *_), (found, _) = given, answer
        self.last = Routed(x, is_padding, found)
        counts = torch.stack([found.is_boundary.sum(), (~is_padding).sum()])
        self.counts = self.counts.to(counts.device) + counts

    def losses(self, tokens: Tensor, num_tokens: Tensor) -> Tensor:
        """Return segments' losses (B,) of the last batch, to average over tokens."""
        if self.last is None:
            raise ValueError("no batch was divided into segments")
        _, is_padding, routing = self.last
        # at 1 it would ask for nothing else
        keep_ratio = self.chunking.current_keep_ratio.clamp(max=0.99)
        ratio = ratio_loss(routing, is_padding, keep_ratio)
        return self.chunking.ratio_weight * ratio * num_tokens

    def metrics(self) -> dict[str, float]:
        """Return the last batch's metrics of segments; none before the first.

        ``segments/keep_ratio`` is the share of frames that began one; the router's own
        numbers are over frames that have one before them.
        """
        if self.last is None:
            return {}
        x, is_padding, routing = self.last
        count = (~is_padding).sum().clamp(min=1)
        keep_ratio = (routing.is_boundary.sum() / count).item()
        numbers = {"keep_ratio": keep_ratio}
        if not is_padding[:, 1:].all():
            numbers |= self.chunking.router.numbers(x, is_padding)
        return {f"segments/{name}": value for name, value in numbers.items()}
