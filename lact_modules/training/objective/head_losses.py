"""What heads after an encoder's blocks add to a training: losses, and numbers."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from lact_modules.encoders.encoder import Encoder
from lact_modules.encoders.heads import CTCHead
from lact_modules.training.objective.losses import ctc_losses

logger = logging.getLogger(__name__)


class HeadOutput(NamedTuple):
    """What a head outputs: (B, T, ...) per frame or segment, and valid ones (B,)."""

    values: Tensor
    lengths: Tensor


class Call(NamedTuple):
    """What a head outputs in one call; see `Head.forward`."""

    values: Tensor
    is_padding: Tensor
    row: int | None


class HeadsWatch:
    """Record what a model's heads output in training, by hooks on them.

    What counts is the first pass through the encoder after `begin`; others, such as
    those on frames that are partly hidden, do not.
    """

    def __init__(self, encoder: Encoder):
        self.encoder, self.heads = encoder, dict(encoder.heads.items())
        encoder.register_forward_pre_hook(self._begin_pass)
        for name, head in self.heads.items():
            head.register_forward_hook(partial(self._note, name))
        self.last_losses: dict[str, Tensor] = {}
        self.num_infeasible: dict[str, Tensor] = {}
        self.begin()

    @classmethod
    def of(cls, model: nn.Module) -> "HeadsWatch | None":
        """Watch the heads of a model's encoder; None if it has none."""
        for module in model.modules():
            if isinstance(module, Encoder) and len(module.heads):
                return cls(module)
        return None

    def begin(self) -> None:
        """Begin a batch: drop the outputs of the one before."""
        self.num_passes = self.batch_size = 0
        self.calls: dict[str, list[Call]] = {name: [] for name in self.heads}

    def output(self, name: str) -> HeadOutput | None:
        """Join what a head has output for the batch; None if it was not called."""
        calls = self.calls[name]
        if not calls:
            return None
        if all(call.row is None for call in calls):
            # valid segments come before padding
            values = torch.cat([call.values for call in calls], dim=1)
            is_padding = torch.cat([call.is_padding for call in calls], dim=1)
            return HeadOutput(values, (~is_padding).sum(dim=1))
        return _join_rows(calls, self.batch_size)

    def losses(self, tokens: Tensor, num_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Average CTC losses (B,) over the heads with enough frames, and count these.

        Heads may stand among segments, of which there are fewer than frames.
        """
        none = torch.zeros_like(num_tokens)
        total, num_heads = none.float(), none
        self.last_losses = {}
        for name in self.ctc_heads:
            if (output := self.output(name)) is None:
                continue
            losses, is_infeasible = ctc_losses(*output, tokens, num_tokens)
            total, num_heads = total + losses, num_heads + ~is_infeasible
            before = self.num_infeasible.get(name, 0)
            self.num_infeasible[name] = before + is_infeasible.sum()
            count = (num_tokens * ~is_infeasible).sum().clamp(min=len(num_tokens))
            self.last_losses[name] = losses.detach().sum() / count
        return total / num_heads.clamp(min=1), num_heads

    def warn_of_infeasible(self) -> None:
        """Warn of utterances that heads have too few frames for; count anew."""
        for name, number in self.num_infeasible.items():
            if number:
                logger.warning(
                    "head after block %s: %d utterances have more labels than its "
                    "frames or segments, so it skipped them",
                    name,
                    number,
                )
        self.num_infeasible.clear()

    @property
    def ctc_heads(self) -> list[str]:
        """Names of the heads that CTC trains: not of frozen ones."""
        return [
            name
            for name, head in self.heads.items()
            if isinstance(head, CTCHead) and head.output.weight.requires_grad
        ]

    @property
    def read_by_router(self) -> list[str]:
        """Names of the CTC heads that a router reads."""
        return [
            name
            for name, head in self.heads.items()
            if isinstance(head, CTCHead) and head.runs_in_eval
        ]

    def metrics(self) -> dict[str, float]:
        """Return each CTC head's mean loss a token in the batch, ``ctc/<block>``."""
        return {f"ctc/{name}": loss.item() for name, loss in self.last_losses.items()}

    def _begin_pass(self, encoder: nn.Module, given: tuple[Any, ...]) -> None:
        self.num_passes += 1
        self.batch_size = len(given[0])

    def _note(
        self,
        name: str,
        head: nn.Module,
        given: tuple[Any, ...],
        answer: tuple[Tensor, Tensor | None],
    ) -> None:
        (_, is_padding, *rows), (_, values) = given, answer
        if head.training and self.num_passes == 1 and values is not None:
            row = rows[0] if rows else None
            self.calls[name].append(Call(values, is_padding, row))


def _join_rows(calls: Sequence[Call], num_rows: int) -> HeadOutput:
    """Join calls for one utterance each, in the order of their frames."""
    rows = [
        [call.values[0] for call in calls if call.row == row] for row in range(num_rows)
    ]
    nothing = calls[0].values[0, :0]
    joined = [torch.cat([nothing, *each]) for each in rows]
    lengths = torch.tensor([len(each) for each in joined], device=nothing.device)
    return HeadOutput(pad_sequence(joined, batch_first=True), lengths)
