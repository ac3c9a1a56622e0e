"""Routers by name, and the control of every comparison, which begins chunks evenly."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lact_modules.layers.router import Router, RouterState
from lact_modules.layers.score_routers import (
    BlankRouter,
    CosineRouter,
    SimilarityRouter,
)
from lact_modules.ops.chunking import Routing, route


class UniformRouter(nn.Module):
    """Begin chunks evenly, whatever is heard: the control of every comparison.

    Example
    -------
    >>> is_padding = torch.zeros(1, 6).bool()
    >>> UniformRouter()(torch.randn(1, 6, 4), is_padding, kept=0.5).is_boundary.int()
    tensor([[1, 0, 1, 0, 1, 0]], dtype=torch.int32)
    """

    merges = False

    def forward(
        self,
        x: Tensor,
        is_padding: Tensor,
        kept: float,
        state: RouterState | None = None,
    ) -> Routing:
        """See `Router`."""
        start = state.num_frames if state else 0
        frames = torch.arange(start, start + x.shape[1], device=x.device).double()
        # frame 0 begins one, and each in which another whole number is reached
        reached = (torch.stack([frames, frames - 1]) * kept + 1e-9).floor()
        passed = (reached[0] > reached[1]).float()
        return route(passed.expand(len(x), -1), is_padding, state is None)

    def calibrate(self, is_on: bool) -> None:
        """See `Router`: there is nothing to set."""


ROUTERS: dict[str, Callable[[int], Router]] = {
    "cosine": CosineRouter,
    "uniform": lambda d_model: UniformRouter(),
    "ctc-blank": BlankRouter,
    "similarity": SimilarityRouter,
}


def make_router(name: str, d_model: int) -> Router:
    """Make a router by name.

    Arguments
    ---------
    name : str
        ``cosine``, ``uniform``, ``ctc-blank`` or ``similarity``.
    d_model : int
        Model dimension.

    Returns
    -------
    Router
        With its defaults.

    Raises
    ------
    ValueError
        If there is none of that name.

    Example
    -------
    >>> make_router("uniform", 8)
    UniformRouter()
    """
    if name not in ROUTERS:
        raise ValueError(f"router {name!r}: choose one of {sorted(ROUTERS)}")
    return ROUTERS[name](d_model)
