"""Muon for the matrices of a model's blocks, AdamW for all else, as one optimizer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lact_modules.errors import InputError
from lact_modules.training.parameter.groups import is_vector


class MuonWithAdamW(Optimizer):
    """`torch.optim.Muon` for groups of hidden matrices, `torch.optim.AdamW` for others.

    Muon turns a matrix's momentum into the nearest orthogonal one
    (https://kellerjordan.github.io/posts/muon/). Its updates are scaled to the root
    mean square of AdamW's (arXiv 2502.16982, sec. 2.2), so that both learn at the same
    rate, that of a recipe for AdamW.

    Arguments
    ---------
    groups : Sequence[dict[str, Any]]
        Of parameters; Muon takes those with ``is_hidden``, all of two dimensions.
    lr : float
        Learning rate of both.
    weight_decay : float
        Decoupled weight decay of both.
    momentum : float
        Of Muon, by Nesterov.
    ns_steps : int
        Newton-Schulz steps of Muon, 1 to 99.
    betas : Sequence[float]
        Of AdamW.
    eps : float
        Of AdamW.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Example
    -------
    >>> hidden, bias = nn.Parameter(torch.eye(2)), nn.Parameter(torch.zeros(2))
    >>> groups = [{"params": [hidden], "is_hidden": True}, {"params": [bias]}]
    >>> optimizer = MuonWithAdamW(groups, lr=0.1)
    >>> (hidden.sum() + bias.sum()).backward()
    >>> optimizer.step()
    >>> [sorted(optimizer.state[each])[0] for each in (hidden, bias)]
    ['momentum_buffer', 'exp_avg']
    """

    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        ns_steps: int = 5,
        betas: Sequence[float] = (0.9, 0.98),
        eps: float = 1e-8,
    ):
        # PyTorch's looks at these no sooner than at the first step, or never
        for name, value, is_right, expected in (
            ("momentum", momentum, 0 <= momentum < 1, "a number from 0 to below 1"),
            ("ns_steps", ns_steps, 1 <= ns_steps < 100, "a number from 1 to 99"),
            ("betas", [*betas], len(betas) == 2, "two numbers"),
        ):
            if not is_right:
                raise ValueError(f"{name} {value}: expected {expected}")
        hidden, others = _part(groups)
        # each sets what its groups lack
        self._muon = torch.optim.Muon(
            hidden,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            ns_steps=ns_steps,
            adjust_lr_fn="match_rms_adamw",
        )
        self._adamw = torch.optim.AdamW(
            others,
            lr=lr,
            weight_decay=weight_decay,
            betas=(betas[0], betas[1]),
            eps=eps,
        )
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        # loading a checkpoint makes other objects
        self._muon.param_groups, self._adamw.param_groups = _part(self.param_groups)
        for optimizer in (self._muon, self._adamw):
            optimizer.state = self.state
            optimizer.step()


def _part(groups: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], ...]:
    """Part groups into those of hidden matrices and others."""
    hidden = [group for group in groups if group.get("is_hidden")]
    return hidden, [group for group in groups if not group.get("is_hidden")]


def wants_hidden(opt_class: Callable[..., Optimizer]) -> bool:
    """Return whether an optimizer treats hidden matrices differently from the rest."""
    made = getattr(opt_class, "func", opt_class)
    return isinstance(made, type) and issubclass(made, MuonWithAdamW)


def hidden_matrices(model: nn.Module) -> list[str]:
    """List the paths of matrices within a model's blocks, without embeddings.

    Layers outside of blocks are no hidden ones: inputs, outputs and heads.
    """
    lists = tuple(
        f"{path}."
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList)
    )
    found = [
        f"{path}.{name}"
        for path, module in model.named_modules()
        if path.startswith(lists) and not isinstance(module, nn.Embedding)
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim == 2 and not is_vector(name, parameter)
    ]
    if not found:
        raise InputError(
            "opt_class: Muon is for matrices in blocks, and this model has none; take "
            "torch.optim.AdamW"
        )
    return found
