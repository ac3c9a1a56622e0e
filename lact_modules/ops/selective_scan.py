"""The selective scan of Mamba: a linear recurrence whose steps depend on the input.

Legend: B batch, D channels, L frames, N state size; as arguments, A, B, C, D are the
matrices of the state space model, named as in arXiv 2312.00752.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad, silu, softplus

from lact_modules.ops.cpu.native_scan import has_native_scan, native_scan
from lact_modules.ops.kernels import kernel_for
from lact_modules.ops.uncompiled import uncompiled

# Below, chunks save a GPU too few launches to pay for their second pass.
_MIN_CHUNKED_FRAMES = 32


# Compiling would unroll the loops over frames, for minutes.
@uncompiled
def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> Tensor:
    """Run a state space model over every channel (arXiv 2312.00752, algorithm 2).

    ``h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t``, from zero, and
    ``y_t = (C_t h_t + D u_t) silu(z_t)``. No frame depends on later ones, so padding
    at the end is harmless as long as it is finite.

    The kernel of mamba-ssm does it on CUDA if that package is there, C++ on a CPU if
    there is a compiler (`native_scan`), PyTorch everywhere else. States are float32
    (float64 for float64), whatever the dtype and autocast.

    Arguments
    ---------
    u : Tensor
        (B, D, L), any floating dtype.
    delta : Tensor
        (B, D, L) step sizes, positive after bias and softplus.
    A : Tensor
        (D, N) real, negative for states that fade.
    B : Tensor
        (B, N, L)
    C : Tensor
        (B, N, L)
    D : Tensor
        (D,) weight of the input in the output.
    z : Tensor | None
        (B, D, L) gate before its SiLU; None for no gate.
    delta_bias : Tensor | None
        (D,) added to the step sizes.
    delta_softplus : bool
        Pass the step sizes through softplus.

    Returns
    -------
    Tensor
        (B, D, L), dtype of `u`.

    Example
    -------
    >>> u, z = torch.randn(2, 3, 4, 5)
    >>> delta, A, D = torch.rand(3, 4, 5), -torch.rand(4, 2), torch.ones(4)
    >>> B, C = torch.randn(2, 3, 2, 5)
    >>> selective_scan(u, delta, A, B, C, D, z).shape
    torch.Size([3, 4, 5])
    """
    dtype = u.dtype
    kernel = kernel_for(
        u, "mamba_ssm.ops.selective_scan_interface", "selective_scan_fn"
    )
    if kernel is not None:
        delta, B, C = (x.to(dtype) for x in (delta, B, C))
        A, D = A.float(), D.float()
        z = None if z is None else z.to(dtype)
        delta_bias = None if delta_bias is None else delta_bias.float()
        return kernel(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    model = (u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    return _run(_choose_form(u, A.shape[1]), *model)


@uncompiled
def resume_scan(
    state: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
) -> tuple[Tensor, Tensor]:
    """Scan as `selective_scan` does, from a state, and return the last one too.

    The state (B, D, N) is float32, or float64 for float64, and zero at the start; the
    other arguments are those of `selective_scan`, of at least one frame. Frame by frame
    in PyTorch, on every device: for one frame, or few.
    """
    last = state

    def scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        nonlocal last
        y, last = _read(_states(u, delta, A, B, state.to(u.dtype)), C)
        return y

    return _run(scan, u, delta, A, B, C, D, z, delta_bias, delta_softplus), last


def _run(
    scan: Callable[..., Tensor],
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> Tensor:
    """Put the whole model around a form of its recurrence."""
    dtype = u.dtype
    state_dtype = torch.promote_types(dtype, torch.float32)
    with torch.autocast(u.device.type, enabled=False):
        u, delta, A, B, C, D = (x.to(state_dtype) for x in (u, delta, A, B, C, D))
        if delta_bias is not None:
            delta = delta + delta_bias.to(state_dtype)[:, None]
        if delta_softplus:
            delta = softplus(delta)
        y = scan(u, delta, A, B, C) + D[:, None] * u
        if z is not None:
            y = y * silu(z.to(state_dtype))
    return y.to(dtype)


def sequential_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
) -> Tensor:
    """Scan frame by frame, the recurrence alone: ``y_t = C_t h_t``.

    Arguments
    ---------
    u : Tensor
        (B, D, L) float32 or float64, as all others.
    delta : Tensor
        (B, D, L) step sizes.
    A : Tensor
        (D, N)
    B : Tensor
        (B, N, L)
    C : Tensor
        (B, N, L)

    Returns
    -------
    Tensor
        (B, D, L)
    """
    return _read(_states(u, delta, A, B, u.new_zeros(len(u), *A.shape)), C)[0]


def chunked_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """Do `sequential_scan` side by side: ``3 sqrt(L)`` steps in a row instead of L.

    A first pass finds what each chunk leaves when it starts from zero; chained, these
    are the states that chunks start from in the second pass.
    """
    batch_size, _, num_frames = u.shape
    size = math.ceil(math.sqrt(num_frames / 2))
    num_chunks = math.ceil(num_frames / size)

    def split(x: Tensor) -> Tensor:
        # (B, X, L) -> (B M, X, K): M chunks of K frames
        x = pad(x, (0, num_chunks * size - num_frames))
        return x.unflatten(-1, (num_chunks, size)).transpose(1, 2).flatten(0, 1)

    u, delta, B, C = (split(x) for x in (u, delta, B, C))
    zero = u.new_zeros(len(u), *A.shape)
    (left,) = deque(_states(u, delta, A, B, zero), maxlen=1)
    fade = torch.exp(delta.sum(-1)[..., None] * A)
    starts = [zero[:batch_size]]
    for fade_m, left_m in zip(
        *(x.unflatten(0, (batch_size, num_chunks)).unbind(1) for x in (fade, left)),
        strict=True,
    ):
        starts.append(torch.addcmul(left_m, fade_m, starts[-1]))
    start = torch.stack(starts[:-1], dim=1).flatten(0, 1)
    y, _ = _read(_states(u, delta, A, B, start), C)
    # (B M, D, K) -> (B, D, L)
    y = y.unflatten(0, (batch_size, num_chunks)).transpose(1, 2).flatten(2)
    return y[..., :num_frames]


def _states(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, state: Tensor
) -> Iterator[Tensor]:
    """Yield the state (B, D, N) after each frame."""
    # unbind: the gradient of indexing fills a whole (B, D, L) at every frame
    steps = zip(delta.unbind(-1), (delta * u).unbind(-1), B.unbind(-1), strict=True)
    for delta_t, input_t, B_t in steps:
        decay = torch.exp(delta_t[..., None] * A)
        state = torch.addcmul(input_t[..., None] * B_t[:, None], decay, state)
        yield state


def _read(states: Iterator[Tensor], C: Tensor) -> tuple[Tensor, Tensor]:
    """Read states (B, D, N) with rows of C (B, N, L): (B, D, L), and the last state."""
    rows = []
    for state, C_t in zip(states, C.unbind(-1), strict=True):
        rows.append(torch.bmm(state, C_t[..., None]))
    return torch.cat(rows, dim=-1), state


def _choose_form(u: Tensor, d_state: int) -> Callable[..., Tensor]:
    if has_native_scan(u, d_state):
        return native_scan
    if u.device.type == "cpu" or u.shape[-1] < _MIN_CHUNKED_FRAMES:
        return sequential_scan
    return chunked_scan
