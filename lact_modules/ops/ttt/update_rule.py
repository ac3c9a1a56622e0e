"""How a fast weight takes one step: the optimizer, its gain, weight normalization."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from lact_modules.ops.ttt.fast_weight import FastWeight, Updated
from lact_modules.ops.ttt.orthogonalize import COEFFICIENTS, newton_schulz
from lact_modules.ops.ttt.state import Frames

Optimizer = Literal["gradient_descent", "muon", "clipped_descent"]
Normalization = Literal["post", "pre", "none"]
Accumulated = Literal["steps", "directions"]

# Added to row norms, as in the published code.
_EPSILON = 1e-5


@dataclass(frozen=True)
class UpdateRule:
    """One step of a fast weight along its descent direction.

    Momentum is not a switch here: it acts when momentum factors are given.

    ``"steps"`` walk from weight to weight. ``"directions"`` are summed, and one step is
    taken from the initial weight along their sum (dual averaging, Xiao 2010, sec. 2).
    If ``"down"`` alone is updated, the weight after any number of chunks is what
    ``"bidirectional"`` mode makes of all their frames, but for what `decay` and
    momentum have forgotten.

    Arguments
    ---------
    optimizer : str
        ``"muon"`` orthogonalizes the direction (arXiv 2505.23884, eq. 9);
        ``"gradient_descent"`` takes it as it is; ``"clipped_descent"`` takes the mean
        over the frames of a chunk, and of each of its rows g only g / (|g| + 1)
        (ViT^3, arXiv 2512.01643). Initial weights of unit variance want learning
        rates of about 16 with it; those of ViT^3 are near 0, and its rate is 1.
    gain : float | Tensor
        Scales the step; a Tensor, (H, 1, 1), makes it learnable. Muon's step at
        gain 1 is as large as the weight itself.
    decay : float | Tensor
        Share of the way back to the initial weight that a step begins with: what was
        learned is forgotten by and by, and the initial weight never. Of summed
        directions, the share that each step forgets. A Tensor, (H, 1, 1), makes it
        learnable.
    normalization : str
        ``"post"`` rescales each row of the new weight to its initial norm and
        continues from there; ``"pre"`` accumulates unscaled weights and rescales
        what is applied, so it forgets more slowly; ``"none"`` does neither.
    update : str
        ``"all"`` matrices, or only ``"down"``, as good and 2.5 times faster
        in arXiv 2602.21204.
    accumulate : str
        ``"steps"``, or ``"directions"``, which with `update` ``"down"`` are computed
        for all chunks at once.
    coefficients : str
        Newton-Schulz table of Muon, see `newton_schulz`.

    Raises
    ------
    ValueError
        If a name is unknown.

    Example
    -------
    >>> UpdateRule(optimizer="gradient_descent", normalization="pre").update
    'all'
    """

    optimizer: Optimizer = "muon"
    gain: float | Tensor = 1.0
    decay: float | Tensor = 0.0
    normalization: Normalization = "post"
    update: Updated = "all"
    accumulate: Accumulated = "steps"
    coefficients: str = "lact"

    def __post_init__(self) -> None:
        for field, choices in (
            ("optimizer", get_args(Optimizer)),
            ("normalization", get_args(Normalization)),
            ("update", get_args(Updated)),
            ("accumulate", get_args(Accumulated)),
            ("coefficients", tuple(COEFFICIENTS)),
        ):
            if getattr(self, field) not in choices:
                raise ValueError(
                    f"{field}={getattr(self, field)!r}: choose one of {sorted(choices)}"
                )

    @property
    def is_parallel(self) -> bool:
        """Whether no direction depends on the steps before it."""
        return self.accumulate == "directions" and self.update == "down"

    @property
    def _moved(self) -> tuple[str, ...]:
        return FastWeight._fields if self.update == "all" else ("down",)

    def rates(self, lr: Tensor, is_valid: Tensor) -> Tensor:
        """Return the rates (..., H, T, 3) at which frames are learned.

        They are divided by the number of frames where their mean counts. `lr` may also
        be what was summed over frames with them; `is_valid` is (..., 1, T, 1).
        """
        if self.optimizer != "clipped_descent":
            return lr
        return lr / is_valid.sum(dim=-2, keepdim=True).clamp(min=1)

    def kept_share(self, frames: Frames) -> Tensor:
        """Compute how much of running directions a chunk keeps, (..., H or 1, 1, 1).

        The mean momentum factor, if there are any, less what is forgotten of summed
        directions; 1 where all is padding.
        """
        count = frames.is_valid.sum(dim=-2, keepdim=True)
        kept = torch.ones_like(count, dtype=frames.lr.dtype)
        if frames.momentum is not None:
            kept = frames.momentum.sum(dim=-2, keepdim=True) / count.clamp(min=1)
        if self.accumulate == "directions":
            kept = kept * (1 - self.decay)
        return torch.where(count > 0, kept, 1.0)

    def begin(self, initial: FastWeight) -> dict[str, Tensor]:
        """Return `TTTState.learned` before the first frame."""
        moved = {name: getattr(initial, name) for name in self._moved}
        if self.accumulate == "directions":
            return {name: torch.zeros_like(matrix) for name, matrix in moved.items()}
        return moved

    def weight(self, learned: dict[str, Tensor], initial: FastWeight) -> FastWeight:
        """Return the weights to apply: exactly the initial ones without learning."""
        weight = initial._replace(**learned)
        if self.accumulate == "steps" and self.normalization != "pre":
            return weight
        if self.accumulate == "directions":
            weight = self.step(initial, learned, initial)
        weight = self.effective(weight, initial)
        moved = {
            name: torch.where(
                (learned[name] != before).any(dim=(-2, -1), keepdim=True),
                getattr(weight, name),
                getattr(initial, name),
            )
            for name, before in self.begin(initial).items()
        }
        return weight._replace(**moved)

    def step(
        self, weight: FastWeight, direction: dict[str, Tensor], initial: FastWeight
    ) -> FastWeight:
        """Move accumulated weights (B, H, ...), which `effective` reads.

        `direction` includes momentum, or those before; row norms are the initial ones.
        """
        if self.optimizer == "muon":
            direction = _orthogonalize(direction, self.coefficients)
        elif self.optimizer == "clipped_descent":
            direction = {name: _clip_rows(g) for name, g in direction.items()}
        moved = {
            name: self._from(getattr(weight, name), getattr(initial, name))
            + self.gain * step
            for name, step in direction.items()
        }
        if self.normalization == "post":
            moved = {
                name: _restore_row_norms(matrix, getattr(initial, name))
                for name, matrix in moved.items()
            }
        return weight._replace(**moved)

    def _from(self, matrix: Tensor, initial: Tensor) -> Tensor:
        """Return where a step begins."""
        if self.accumulate == "directions":
            return initial
        return matrix + self.decay * (initial - matrix)

    def effective(self, weight: FastWeight, initial: FastWeight) -> FastWeight:
        """Return the weights to apply, from the accumulated ones."""
        if self.normalization != "pre":
            return weight
        restored = {
            name: _restore_row_norms(getattr(weight, name), getattr(initial, name))
            for name in self._moved
        }
        return weight._replace(**restored)


def _orthogonalize(
    direction: dict[str, Tensor], coefficients: str
) -> dict[str, Tensor]:
    """Orthogonalize all matrices in one batched product."""
    hidden_first = [
        matrix.mT if name == "down" else matrix for name, matrix in direction.items()
    ]
    orthogonal = newton_schulz(torch.stack(hidden_first), coefficients)
    return {
        name: matrix.mT if name == "down" else matrix
        for name, matrix in zip(direction, orthogonal, strict=True)
    }


def _clip_rows(matrix: Tensor) -> Tensor:
    return matrix / (torch.linalg.vector_norm(matrix, dim=-1, keepdim=True) + 1)


def _restore_row_norms(matrix: Tensor, initial: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(matrix, dim=-1, keepdim=True)
    return (
        matrix
        / (norm + _EPSILON)
        * torch.linalg.vector_norm(initial, dim=-1, keepdim=True)
    )
