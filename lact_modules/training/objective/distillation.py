"""Distillation of a teacher: a head after a middle block learns its codes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import nll_loss

from lact_modules.data.code_file import CodeFile
from lact_modules.encoders.code_head import CodeHead
from lact_modules.errors import InputError
from lact_modules.ops.padding import padding_mask
from lact_modules.training.objective.head_losses import HeadsWatch


class Distillation:
    """The loss of a `CodeHead`, weighted cross-entropy, on the codes of a file."""

    def __init__(self, codes: CodeFile, name: str, weight: float):
        self.codes, self.name, self.weight = codes, name, weight
        self.last: Tensor | None = None

    @classmethod
    def of(
        cls, model: nn.Module, codes: str | Path | None, weight: float = 0.5
    ) -> "Distillation | None":
        """Read a file of codes for the head of a model; None without a file."""
        if codes is None:
            return None
        return cls(CodeFile(codes), next(iter(code_heads(model))), weight)

    def losses(self, watch: HeadsWatch, ids: Sequence[str], labels: Tensor) -> Tensor:
        """Return the codes' losses (V B,) of the last batch, to average over labels."""
        output = watch.output(self.name)
        if output is None:
            return torch.zeros_like(labels, dtype=torch.float32)
        codes = [torch.from_numpy(self.codes[name].astype("int64")) for name in ids]
        codes *= len(labels) // len(ids)
        losses = code_losses(output.values, output.lengths, codes)
        self.last = losses.detach().mean()
        return self.weight * losses * labels

    def metrics(self) -> dict[str, float]:
        """Return the last batch's ``teacher``, cross-entropy a frame in nats."""
        return {} if self.last is None else {"teacher": self.last.item()}


def code_losses(log_probs: Tensor, frames: Tensor, codes: Sequence[Tensor]) -> Tensor:
    """Return the mean cross-entropy (B,) of codes at the frames of each utterance.

    Log-probabilities are (B, T, V), of which (B,) `frames` are valid, codes (N,) each.
    Losses are in nats; 0 without frames. A frame learns the code at its middle,
    as a share of the utterance: so either rate may be the higher one, and speech that
    is played faster or slower has its codes stretched with it.
    """
    num_frames = log_probs.shape[1]
    targets = torch.zeros(log_probs.shape[:2], dtype=torch.int64)
    for target, valid, each in zip(targets, frames.tolist(), codes, strict=True):
        middles = (2 * torch.arange(valid) + 1) * len(each) // (2 * max(1, valid))
        target[:valid] = each[middles]
    losses = nll_loss(log_probs.mT, targets.to(log_probs.device), reduction="none")
    losses = losses.masked_fill(padding_mask(frames, num_frames), 0.0)
    return losses.sum(dim=1) / frames.clamp(min=1)


def code_heads(model: nn.Module) -> dict[str, CodeHead]:
    """Find the heads of a model's encoder that a teacher trains, by name."""
    heads = getattr(getattr(model, "encoder", None), "heads", {})
    return {name: head for name, head in heads.items() if isinstance(head, CodeHead)}


def check_distillation(
    model: Any,
    teacher_codes: str | Path | None,
    has_pauses: bool = False,
    is_joined: bool = False,
) -> None:
    """Refuse codes that do not fit the model, or its audio: with pauses, or joined."""
    path = teacher_codes
    heads = [*code_heads(model).values()]
    if path is None and not heads:
        return
    if path is None:
        raise InputError(
            "--teacher_codes null: the encoder's CodeHead learns codes; give the file "
            "that lact-asr teacher-codes writes"
        )
    fault = f"--teacher_codes {path}:"
    if len(heads) != 1:
        raise InputError(
            f"{fault} one of the encoder's heads must be a CodeHead, and "
            f"{len(heads)} are"
        )
    if getattr(model.encoder, "frame_share", 1) != 1:
        raise InputError(f"{fault} codes are per frame; set dynamic_chunking.upsample")
    if has_pauses:
        raise InputError(f"{fault} pauses have no codes; set pause_prob to 0")
    if is_joined:
        raise InputError(f"{fault} codes are per utterance; join none to streams")
    codes = CodeFile(path)
    if codes.num_codes != heads[0].num_codes:
        raise InputError(
            f"{fault} has {codes.num_codes} codes, and the CodeHead "
            f"{heads[0].num_codes}; set its num_codes"
        )
