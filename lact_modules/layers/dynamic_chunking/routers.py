"""Routers by name: what they go by."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from lact_modules.errors import InputError
from lact_modules.layers.dynamic_chunking.moving_average import MovingAverage
from lact_modules.layers.dynamic_chunking.router import Router

# of a cosine, from 1: what frames that are all but the same still count as
_LEAST = 1e-3


class UniformRouter(Router):
    """Begin segments evenly, for any input: the control of every comparison.

    Example
    -------
    >>> router, is_padding = UniformRouter(), torch.zeros(1, 6).bool()
    >>> routing, _ = router(torch.randn(1, 6, 4), is_padding, keep_ratio=0.5)
    >>> routing.is_boundary.int()
    tensor([[1, 0, 1, 0, 1, 0]], dtype=torch.int32)
    """

    def __init__(self) -> None:
        super().__init__(temperature=0.0)

    def rate(
        self, padded: Tensor, is_padding: Tensor, keep_ratio: float | Tensor
    ) -> Tensor:
        """See `Router`: the requested ratio."""
        ones = torch.ones(is_padding.shape, dtype=torch.float64, device=padded.device)
        return keep_ratio * ones

    def numbers(self, x: Tensor, is_padding: Tensor) -> dict[str, float]:
        """See `Router`: none."""
        return {}


class NeighbourRouter(Router):
    """Begin segments where frames are unlike those before them.

    Frames have so much in common that the cosine of any two is near 1; of what is left
    without the mean that they have had in training it is not. The score is the
    logarithm of its distance from 1.

    Arguments
    ---------
    d_model : int
        Model dimension.
    temperature : float
        See `Router`.
    learn_temperature : bool
        See `Router`.
    """

    def __init__(
        self, d_model: int, temperature: float = 1.0, learn_temperature: bool = False
    ):
        super().__init__(temperature, learn_temperature)
        self.mean = MovingAverage((d_model,))

    def observe(self, x: Tensor, is_padding: Tensor) -> None:
        """See `Router`: their mean."""
        count = (~is_padding).sum()
        total = x.detach().float().masked_fill(is_padding[..., None], 0.0).sum((0, 1))
        self.mean.follow(total / count.clamp(min=1), count > 0)

    def score(self, x: Tensor, before: Tensor) -> Tensor:
        """See `Router`."""
        return (1 - self.cosine(x, before)).clamp(min=_LEAST).log()

    def cosine(self, x: Tensor, before: Tensor) -> Tensor:
        """Compare neighbours, both (B, T, D): (B, T), from -1 to 1."""
        mean = self.mean.value.to(x.dtype)
        return cosine_similarity(*self.compared(before - mean, x - mean), dim=-1)

    @torch.no_grad()
    def numbers(self, x: Tensor, is_padding: Tensor) -> dict[str, float]:
        """See `Router`: the mean cosine of neighbours too."""
        cosine = self.cosine(x[:, 1:].float(), x[:, :-1].float())
        mean = cosine[~is_padding[:, 1:]].mean().item()
        return {**super().numbers(x, is_padding), "cosine": mean}

    def compared(self, before: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what of two neighbours, both (B, T, D), is compared."""
        raise NotImplementedError


class CosineRouter(NeighbourRouter):
    """Begin segments where frames are unlike those before, in learned directions.

    H-Net's router (arXiv 2507.07955, sec. 2.2), with what speech needs: the frames'
    mean is taken away, the temperature is learned, and change is summed up, so that it
    is not overlooked where it is slow. To begin with, the directions are those of the
    frames.

    Arguments
    ---------
    d_model : int
        Model dimension.
    temperature : float
        To begin with, see `Router`.

    Example
    -------
    >>> router, is_padding = CosineRouter(8), torch.zeros(2, 100).bool()
    >>> routing, _ = router(torch.randn(2, 100, 8), is_padding, keep_ratio=0.5)
    >>> 97 <= routing.num_segments.sum() <= 103
    tensor(True)
    """

    def __init__(self, d_model: int, temperature: float = 0.5):
        super().__init__(d_model, temperature, learn_temperature=True)
        self.project_before = nn.Linear(d_model, d_model, bias=False)
        self.project = nn.Linear(d_model, d_model, bias=False)
        for layer in (self.project_before, self.project):
            nn.init.eye_(layer.weight)

    def compared(self, before: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `NeighbourRouter`."""
        return self.project_before(before), self.project(x)


class SimilarityRouter(NeighbourRouter):
    """Begin segments where frames are unlike those before; nothing is learned.

    For segments that are averaged, neighbours that are alike are merged (A-ToMe, arXiv
    2306.16009).

    Arguments
    ---------
    d_model : int
        Model dimension.

    Example
    -------
    >>> router, is_padding = SimilarityRouter(8), torch.zeros(2, 100).bool()
    >>> routing, _ = router(torch.randn(2, 100, 8), is_padding, keep_ratio=0.25)
    >>> 47 <= routing.num_segments.sum() <= 53
    tensor(True)
    """

    merges = True

    def compared(self, before: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `NeighbourRouter`; no gradient flows through the choice."""
        return before.detach(), x.detach()


class BlankRouter(Router):
    """Pass over the frames that a CTC head is sure are blank.

    After blank skipping (arXiv 2305.11558). What is read is the head's; no gradient
    flows into it. The score is the logarithm of the odds that a frame is not blank. The
    temperature is high: frames that words are in are all kept.

    Example
    -------
    >>> router, is_padding = BlankRouter(), torch.zeros(2, 100).bool()
    >>> log_probs = torch.randn(2, 100, 5).log_softmax(dim=-1)
    >>> routing, _ = router(log_probs, is_padding, keep_ratio=0.5)
    >>> 97 <= routing.num_segments.sum() <= 103
    tensor(True)
    """

    reads_tokens = True

    def __init__(self) -> None:
        super().__init__(temperature=10.0)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *others: Any
    ) -> None:
        refuse_old_weights(state_dict)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def score(self, x: Tensor, before: Tensor) -> Tensor:
        """See `Router`; `x` are log-probabilities."""
        log_blank = x[..., 0].detach()
        return torch.log(-torch.expm1(log_blank.clamp(max=-1e-7))) - log_blank


def refuse_old_weights(names: Iterable[str]) -> None:
    """Raise an `InputError` if weights are of a `BlankRouter` without a CTC head.

    Arguments
    ---------
    names : Iterable[str]
        Of a model's tensors.

    Raises
    ------
    InputError
        If its own output layer is among them.
    """
    if any(name.endswith("dynamic_chunking.router.output.weight") for name in names):
        raise InputError(
            "weights: of a ctc-blank router with an output layer of its own, as in old "
            "versions; it now reads a CTC head of the encoder: train it again"
        )


ROUTERS: dict[str, Callable[[int], Router]] = {
    "cosine": CosineRouter,
    "uniform": lambda d_model: UniformRouter(),
    "ctc-blank": lambda d_model: BlankRouter(),
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
    >>> make_router("uniform", 8).merges
    False
    """
    if name not in ROUTERS:
        raise ValueError(f"router {name!r}: choose one of {sorted(ROUTERS)}")
    return ROUTERS[name](d_model)
