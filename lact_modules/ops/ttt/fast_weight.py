"""The SwiGLU fast weight: apply it, and the gradient of its loss in closed form.

Legend: B batch, H heads, T frames, D head dimension, F hidden dimension.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import silu

from lact_modules.ops.ttt.gate import gate

Updated = Literal["all", "down"]


class FastWeight(NamedTuple):
    """The three matrices of ``f(x) = down @ (silu(gate @ x) * (up @ x))``.

    The LaCT paper (arXiv 2505.23884, eq. 5) calls gate w0, down w1 and up w2.
    Matrices may be shared, as below, or be per utterance, with a leading B.

    Arguments
    ---------
    gate : Tensor
        (H, F, D)
    up : Tensor
        (H, F, D)
    down : Tensor
        (H, D, F)

    Example
    -------
    >>> gate, up = torch.ones(2, 1, 4, 2)
    >>> weight = FastWeight(gate, up, down=torch.ones(1, 2, 4))
    >>> apply_fast_weight(weight, torch.ones(3, 1, 5, 2)).shape
    torch.Size([3, 1, 5, 2])
    """

    gate: Tensor
    up: Tensor
    down: Tensor


def apply_fast_weight(weight: FastWeight, x: Tensor) -> Tensor:
    """Evaluate the fast weight at every frame.

    Arguments
    ---------
    weight : FastWeight
        Matrices with a leading H or (B, H).
    x : Tensor
        (B, H, T, D), any floating dtype; the matrices are cast to it.

    Returns
    -------
    Tensor
        (B, H, T, D)
    """
    return hidden_units(weight, x) @ weight.down.to(x.dtype).mT


def hidden_units(weight: FastWeight, x: Tensor) -> Tensor:
    """Evaluate what `down` is applied to: ``silu(gate @ x) * (up @ x)``.

    Arguments
    ---------
    weight : FastWeight
        As `apply_fast_weight` takes it; `down` is not looked at.
    x : Tensor
        (B, H, T, D)

    Returns
    -------
    Tensor
        (B, H, T, F)

    Example
    -------
    >>> gate, up = torch.ones(2, 1, 4, 2)
    >>> weight = FastWeight(gate, up, down=torch.ones(1, 2, 4))
    >>> hidden_units(weight, torch.ones(3, 1, 5, 2)).shape
    torch.Size([3, 1, 5, 4])
    """
    both = torch.cat([weight.gate, weight.up], dim=-2).to(x.dtype)
    return gate(x @ both.mT)


def descent_direction(
    weight: FastWeight, k: Tensor, v: Tensor, lr: Tensor, update: Updated = "all"
) -> dict[str, Tensor]:
    """Negative gradient of ``-sum_t lr_t <f(k_t), v_t>``, summed over the frames.

    Every matrix has learning rates of its own. The closed form is the chain rule
    through SwiGLU (arXiv 2505.23884, appendix A); autograd differentiates through
    it once, where ``naive.py`` needs second derivatives.

    Arguments
    ---------
    weight : FastWeight
        Matrices with a leading H or (B, H).
    k : Tensor
        (B, H, T, D) inputs.
    v : Tensor
        (B, H, T, D) targets.
    lr : Tensor
        (B, H, T, 3) learning rates of gate, down, up; 0 leaves a frame out.
    update : Updated
        ``"all"`` or ``"down"``.

    Returns
    -------
    dict[str, Tensor]
        A direction for each updated matrix, (B, H, F, D) or (B, H, D, F), in the
        compute dtype.

    Example
    -------
    >>> gate, up = torch.ones(2, 1, 4, 2)
    >>> weight = FastWeight(gate, up, down=torch.ones(1, 2, 4))
    >>> frames = torch.ones(3, 1, 5, 2)
    >>> direction = descent_direction(weight, frames, frames, torch.ones(3, 1, 5, 3))
    >>> {name: tuple(matrix.shape) for name, matrix in direction.items()}
    {'down': (3, 1, 2, 4), 'gate': (3, 1, 4, 2), 'up': (3, 1, 4, 2)}
    """
    lr_gate, lr_down, lr_up = lr.to(k.dtype).split(1, dim=-1)
    targets = (v * lr_down).mT
    if update == "down":
        return {"down": targets @ hidden_units(weight, k)}
    opening, up, down = (matrix.to(k.dtype) for matrix in weight)
    gate_input, up_output = k @ opening.mT, k @ up.mT
    gate_output = silu(gate_input)
    hidden_gradient = v @ down
    sigmoid = torch.sigmoid(gate_input)
    silu_slope = sigmoid + gate_output * (1 - sigmoid)
    gate_gradient = hidden_gradient * up_output * silu_slope
    return {
        "down": targets @ (gate_output * up_output),
        "gate": gate_gradient.mT @ (k * lr_gate),
        "up": (hidden_gradient * gate_output).mT @ (k * lr_up),
    }
