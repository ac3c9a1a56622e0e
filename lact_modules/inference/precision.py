"""In which precision a model runs: float32, or half as many bits for its products."""

import logging
import os
from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import nn

from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.layers.dynamic_chunking.router import Router

Precision = Literal["fp32", "bf16", "fp16"]

logger = logging.getLogger(__name__)

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_PRODUCTS = (nn.Linear, nn.Conv1d, nn.Conv2d)


class Caster:
    """A context in which a model runs in a precision, and the model made ready for it.

    ``bf16`` and ``fp16`` are for the matrix products and convolutions of front end and
    encoder, by PyTorch's autocast; their weights are converted here, once. Features,
    norms, what blocks add up, fast weights and text decoders stay in float32.

    ``fp32`` lets GPUs round what they multiply to TF32, as it does in training:
    SpeechBrain's ``SB_DISABLE_QUIRKS=allow_tf32`` forbids it in both.
    """

    def __init__(
        self, model: CTCModel, precision: Precision, device: str | torch.device
    ):
        if precision not in get_args(Precision):
            choices = ", ".join(get_args(Precision))
            raise InputError(f"precision {precision!r}: choose one of {choices}")
        self.device_type = torch.device(device).type
        self.dtype = _DTYPES.get(precision)
        if self.device_type == "cpu":
            _check_processor(precision)
        if self.dtype is None:
            _allow_tf32()
            return
        for part in "frontend", "encoder":
            for module in _products(model.get_submodule(part)):
                module.to(self.dtype)

    def running(self) -> torch.autocast:
        """Return the context to run the model in; not for gradients."""
        return torch.autocast(
            self.device_type, self.dtype or torch.bfloat16, self.dtype is not None
        )


def _products(module: nn.Module) -> Iterator[nn.Module]:
    """Find what multiplies by weights; routers always do it in float32."""
    if isinstance(module, _PRODUCTS):
        yield module
    elif not isinstance(module, Router):
        for child in module.children():
            yield from _products(child)


def _check_processor(precision: Precision) -> None:
    if precision == "fp16":
        raise InputError("precision fp16: needs a GPU; use fp32 or bf16 on a CPU")
    found = torch.cpu.get_capabilities()
    is_without = found.get("architecture") == "x86_64" and not found.get("amx_bf16")
    if precision == "bf16" and is_without:
        logger.warning("precision bf16: this CPU has no AMX; fp32 is likely faster")


def _allow_tf32() -> None:
    """Do what importing SpeechBrain does, which not every command imports."""
    if "allow_tf32" not in os.environ.get("SB_DISABLE_QUIRKS", "").split(","):
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
