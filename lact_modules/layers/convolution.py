"""The convolution sub-layer of a Conformer block."""

import torch
from torch import Tensor, nn
from torch.nn.functional import glu, pad, silu

from lact_modules.layers.chunking import Chunking, keep_last
from lact_modules.layers.pieces import by_pieces
from lact_modules.ops.depthwise import convolve_frames
from lact_modules.ops.padding import zero_padding


class ConvolutionModule(nn.Module):
    """Gate, depthwise convolution over time, project (arXiv 2005.08100, sec. 2.2.2).

    With a layer norm in place of batch norm. Padding is zeroed before the
    convolution, so a valid frame never sees what it is batched with.

    Arguments
    ---------
    d_model : int
        Model dimension.
    kernel_size : int
        Frames, odd.
    causal : bool
        Look at the past only.

    Raises
    ------
    ValueError
        If the kernel size is even.

    Example
    -------
    >>> import torch
    >>> x, is_padding = torch.randn(2, 9, 8), torch.zeros(2, 9, dtype=torch.bool)
    >>> ConvolutionModule(d_model=8, kernel_size=5)(x, is_padding).shape
    torch.Size([2, 9, 8])
    """

    def __init__(self, d_model: int, kernel_size: int = 31, causal: bool = False):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size}: must be odd")
        context = kernel_size - 1
        self.context = (context, 0) if causal else (context // 2, context // 2)
        self.expand = nn.Linear(d_model, 2 * d_model)
        self.depthwise = nn.Conv1d(d_model, d_model, kernel_size, groups=d_model)
        self.norm = nn.LayerNorm(d_model)
        self.project = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, is_padding: Tensor) -> Tensor:
        """Map (B, T, D) with its (B, T) padding to (B, T, D)."""
        x = self._open_valid(x, is_padding)
        return self._close(self._convolve(x, self.context))

    def chunked(
        self,
        x: Tensor,
        is_padding: Tensor,
        chunking: Chunking,
        state: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Convolve each chunk with its left context; zeros follow it.

        Dynamic chunk convolution (arXiv 2304.09325, sec. 2.2): the same kernel serves
        whole utterances and chunks. See `ChunkedLayer`; the state is (B, left context,
        D), the gated frames before.
        """
        x = by_pieces(self._open_valid, x, is_padding)
        num_frames, (left, right) = x.shape[1], self.context
        if state is None:
            state = x.new_zeros(x.shape[0], left, x.shape[2])
        x = torch.cat([state, x], dim=1)
        state = keep_last(x, left)
        missing = -num_frames % chunking.size if right else 0
        size = chunking.size if right else num_frames
        # (B, left + T, D) -> (B, chunks, left + size, D)
        chunks = pad(x, (0, 0, 0, missing)).unfold(1, left + size, size).mT
        y = self._convolve(chunks.flatten(0, 1), (0, right))
        # (B chunks, size, D) -> (B, T, D)
        y = y.unflatten(0, chunks.shape[:2]).flatten(1, 2)
        return by_pieces(self._close, y[:, :num_frames]), state

    def _convolve(self, x: Tensor, context: tuple[int, int]) -> Tensor:
        return convolve_frames(x, self.depthwise.weight, self.depthwise.bias, context)

    def _open_valid(self, x: Tensor, is_padding: Tensor) -> Tensor:
        return zero_padding(glu(self.expand(x)), is_padding)

    def _close(self, x: Tensor) -> Tensor:
        return self.project(silu(self.norm(x)))
