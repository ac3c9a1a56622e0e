"""The gated delta rule: a memory that is corrected, and fades, frame by frame.

Legend: B batch, T frames, H heads, K size of a key, V of a value, C frames of a chunk.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from lact_modules.ops.kernels import kernel_for
from lact_modules.ops.precision import in_full
from lact_modules.ops.uncompiled import uncompiled

# Of a CPU and of short utterances; a kernel has its own.
_CHUNK = 32


# Compiling would unroll the loop over chunks, anew for each length.
@uncompiled
def gated_delta_rule(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    g: Tensor,
    beta: Tensor,
    state: Tensor | None = None,
    is_padding: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Write values under keys, and read them with queries (arXiv 2412.06464, eq. 10).

    ``S_t = exp(g_t) S_{t-1}``, then ``S_t += beta_t k_t (v_t - k_t S_t)``, and the
    answer is ``q_t S_t / sqrt(K)``: what a key was known for is replaced. No frame
    depends on later ones.

    The kernel of flash-linear-attention does it on CUDA if that package is there,
    PyTorch chunk by chunk everywhere else (arXiv 2406.06484, sec. 3.2). States are
    float32 (float64 for float64), whatever the dtype and autocast.

    Arguments
    ---------
    q : Tensor
        (B, T, H, K), at least one frame, any floating dtype.
    k : Tensor
        (B, T, H, K), of length 1 at most, so that the memory stays bounded.
    v : Tensor
        (B, T, H, V)
    g : Tensor
        (B, T, H) logarithm of what is kept, not above 0.
    beta : Tensor
        (B, T, H) share that is replaced, between 0 and 1.
    state : Tensor | None
        (B, H, K, V) after the frames before; None is zero.
    is_padding : Tensor | None
        (B, T) bool, True at padding, which leaves the state as it is; it must be
        finite.

    Returns
    -------
    output : Tensor
        (B, T, H, V), dtype of `v`; finite but meaningless at padding.
    state : Tensor
        (B, H, K, V) after the last frame.

    Example
    -------
    >>> q, k = torch.nn.functional.normalize(torch.randn(2, 3, 50, 4, 8), dim=-1)
    >>> v, g, beta = torch.randn(3, 50, 4, 16), -torch.rand(3, 50, 4), torch.rand(50, 4)
    >>> output, state = gated_delta_rule(q, k, v, g, beta.expand(3, 50, 4))
    >>> output.shape, state.shape
    (torch.Size([3, 50, 4, 16]), torch.Size([3, 4, 8, 16]))
    """
    dtype, device = v.dtype, v.device.type
    if is_padding is not None:
        g, beta = (x.masked_fill(is_padding[..., None], 0.0) for x in (g, beta))
    kernel = kernel_for(v, "fla.ops.gated_delta_rule", "chunk_gated_delta_rule")
    if kernel is not None:
        q, k = q.to(dtype), k.to(dtype)
        rates = {"g": g.float(), "beta": beta.float()}
        return kernel(q, k, v, **rates, initial_state=state, output_final_state=True)
    with torch.autocast(device, enabled=False):
        v = in_full(v)
        if state is None:
            state = v.new_zeros(v.shape[0], *k.shape[2:], v.shape[-1])
        q, k, g, beta, state = (x.to(v.dtype) for x in (q, k, g, beta, state))
        output, state = _in_chunks(q, k, v, g, beta, state)
    return output.to(dtype), state


def _in_chunks(
    q: Tensor, k: Tensor, v: Tensor, g: Tensor, beta: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Solve for what chunks write, all at once; then chain what they leave."""
    batch_size, num_frames, num_heads, key_size = k.shape
    num_chunks = math.ceil(num_frames / _CHUNK)
    size = math.ceil(num_frames / num_chunks)

    def split(x: Tensor) -> Tensor:
        # (B, T, H, X) -> (N, B H, C, X): N chunks of C frames; zeros change nothing
        x = pad(x, (0, 0, 0, 0, 0, num_chunks * size - num_frames))
        x = x.unflatten(1, (num_chunks, size))
        return x.permute(1, 0, 3, 2, 4).flatten(1, 2)

    q, k, v, g, beta = (split(x) for x in (q, k, v, g[..., None], beta[..., None]))
    q = q * key_size**-0.5
    # since the chunk's first frame, (N, B H, C, 1)
    faded = g.cumsum(dim=2)
    is_later = torch.ones(size, size, dtype=torch.bool, device=q.device).triu(1)
    # (N, B H, C, C): from a frame to an earlier one
    fade = (faded - faded.mT).masked_fill(is_later, -torch.inf).exp()
    start, end = faded.exp(), (faded[:, :, -1:] - faded).exp()
    # what each frame writes, of its own and of the state that the chunk begins with
    system = (beta * k) @ k.mT * fade
    right = torch.cat([beta * v, beta * start * k], dim=-1)
    solved = torch.linalg.solve_triangular(
        system, right, upper=False, unitriangular=True
    )
    own, known = solved.split([v.shape[-1], key_size], dim=-1)
    # a chunk makes of a state: moved @ state + added
    kept = torch.eye(key_size, dtype=q.dtype, device=q.device) * start[:, :, -1:]
    moved, added = kept - (end * k).mT @ known, (end * k).mT @ own
    states = [state.flatten(0, 1)]
    for moved_n, added_n in zip(moved.unbind(), added.unbind(), strict=True):
        states.append(torch.baddbmm(added_n, moved_n, states[-1]))
    before = torch.stack(states[:-1])
    output = (start * q) @ before + (q @ k.mT * fade) @ (own - known @ before)
    # (N, B H, C, V) -> (B, T, H, V)
    output = output.unflatten(1, (batch_size, num_heads)).permute(1, 0, 3, 2, 4)
    return output.flatten(1, 2)[:, :num_frames], states[-1].view_as(state)
