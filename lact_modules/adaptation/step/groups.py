"""Groups of a model's parameters, by name."""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

Group = Literal["fast_weights", "input", "norms", "front_end", "all"]

MATRICES = ("gate", "up", "down")
"""Of a fast weight."""

INPUT = "input"
"""Name of the linear input network's matrix, which is no parameter of the model."""

NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


def check_groups(groups: Sequence[str]) -> None:
    """Raise a ValueError at the first name that is no group of parameters."""
    for group in groups:
        if group not in get_args(Group):
            raise ValueError(
                f"parameters {group!r}: choose from {', '.join(get_args(Group))}"
            )


def own_parameters(
    model: nn.Module,
    kinds: type[nn.Module] | tuple[type[nn.Module], ...],
    chosen: Sequence[str] | None = None,
) -> dict[str, Tensor]:
    """Return the parameters that modules of some kinds hold themselves."""
    return {
        f"{name}.{own}": parameter
        for name, module in model.named_modules()
        if isinstance(module, kinds)
        for own, parameter in module.named_parameters(recurse=False)
        if chosen is None or own in chosen
    }
