"""What a training adds to the loss of a recognizer: heads, a teacher, chunking."""

from collections.abc import Sequence

import speechbrain as sb
import torch
from torch import Tensor, nn

from lact_modules.errors import InputError
from lact_modules.training.objective.chunking import ChunkingWatch
from lact_modules.training.objective.distillation import Distillation
from lact_modules.training.objective.head_losses import HeadsWatch


class AuxiliaryLosses:
    """Losses beside that of the outputs, as far as the model and the YAML have them."""

    def __init__(
        self,
        model: nn.Module,
        inter_ctc_weight: float = 0.3,
        teacher: Distillation | None = None,
    ):
        self.inter_ctc_weight = inter_ctc_weight
        self.chunking = ChunkingWatch.of(model)
        self.heads = HeadsWatch.of(model)
        if self.heads and self.heads.read_by_router and not self.inter_ctc_weight:
            raise InputError(
                "inter_ctc_weight: 0, but router ctc-blank reads the head after block "
                f"{self.heads.read_by_router[0]}, which learns nothing then; set it "
                "above 0"
            )
        self.teacher = teacher

    def begin(self) -> None:
        """Begin a batch."""
        if self.heads is not None:
            self.heads.begin()

    def share_with_heads(
        self, ctc: Tensor, tokens: Tensor, num_tokens: Tensor, stage: sb.Stage
    ) -> Tensor:
        """Let CTC heads have their share of the CTC losses (B,), in training.

        Frozen heads and those with too few frames for an utterance have none.
        """
        if self.heads is None or stage != sb.Stage.TRAIN or not self.heads.ctc_heads:
            return ctc
        weight = self.inter_ctc_weight
        losses, num_heads = self.heads.losses(tokens, num_tokens)
        shared = (1.0 - weight) * ctc + weight * losses
        return torch.where(num_heads > 0, shared, ctc)

    def add(
        self,
        losses: Tensor,
        ids: Sequence[str],
        tokens: Tensor,
        num_tokens: Tensor,
        stage: sb.Stage,
    ) -> Tensor:
        """Add the losses (V B,) of a teacher and of dynamic chunking, in training."""
        if stage != sb.Stage.TRAIN:
            return losses
        if self.heads is not None and self.teacher is not None:
            losses = losses + self.teacher.losses(self.heads, ids, num_tokens)
        if self.chunking is not None:
            losses = losses + self.chunking.losses(tokens, num_tokens)
        return losses

    def end(self, stage: sb.Stage) -> None:
        """End a stage."""
        if self.chunking is not None:
            self.chunking.end()
        if self.heads is not None and stage == sb.Stage.TRAIN:
            self.heads.warn_of_infeasible()

    def metrics(self) -> dict[str, float]:
        """Return numbers of the last batch, by name."""
        return {
            name: value
            for watch in (self.chunking, self.heads, self.teacher)
            if watch is not None
            for name, value in watch.metrics().items()
        }
