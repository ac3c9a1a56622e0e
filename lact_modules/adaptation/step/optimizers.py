"""How parameters move at test time; each utterance's on its own."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from lact_modules.ops.ttt.orthogonalize import newton_schulz

OptimizerFactory = Callable[[Mapping[str, Tensor]], torch.optim.Optimizer]
"""Takes parameters by name, with a leading dimension for utterances where batched."""


class Muon(torch.optim.Optimizer):
    """Steps of one size along orthogonalized gradients, without momentum.

    A step of rate 1 is as large as fresh fast weights are, or an identity. Unlike
    `torch.optim.Muon` it takes batches of matrices, (..., M, N), each of which takes
    its own step (arXiv 2505.23884, eq. 9).
    """

    def __init__(self, params: Iterable[Tensor], lr: float):
        super().__init__(params, {"lr": lr})
        for group in self.param_groups:
            if any(parameter.dim() < 2 for parameter in group["params"]):
                raise ValueError("muon moves matrices alone; take adamw or sgd")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move what has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    direction = newton_schulz(parameter.grad)
                    parameter.sub_(direction, alpha=group["lr"])


_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "muon": Muon,
    # parameters that are listed twice are to be moved twice, not both at once
    "adamw": partial(torch.optim.AdamW, weight_decay=0.0, foreach=False),
    "sgd": partial(torch.optim.SGD, foreach=False),
}


def find_optimizer(name: str) -> Callable[..., torch.optim.Optimizer]:
    """Find ``muon``, ``adamw`` or ``sgd``; none has weight decay or momentum."""
    if name not in _OPTIMIZERS:
        raise ValueError(f"optimizer {name!r}: choose from {', '.join(_OPTIMIZERS)}")
    return _OPTIMIZERS[name]


def make_optimizer(
    name: str,
    lr: float,
    frontend_repeats: int = 1,
    rates: Mapping[str, Tensor] = MappingProxyType({}),
) -> OptimizerFactory:
    """Choose an optimizer and its rate, or rates by parameter in the place of `lr`.

    A step moves the front end's parameters `frontend_repeats` times by the same
    gradient.
    """
    optimizer = find_optimizer(name)

    def make(values: Mapping[str, Tensor]) -> torch.optim.Optimizer:
        listed = []
        for name, value in values.items():
            times = frontend_repeats if name.startswith("frontend.") else 1
            rate = rates[name].item() if name in rates else lr
            listed.append({"params": [value] * times, "lr": rate})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*duplicate parameters")
            return optimizer(listed, lr=lr)

    return make
