"""The convolution sub-layer of a Conformer block."""

from torch import Tensor, nn
from torch.nn.functional import glu, pad, silu


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
        x = glu(self.expand(x)).masked_fill(is_padding[..., None], 0.0)
        # (B, T, D) -> (B, D, T) and back
        x = self.depthwise(pad(x.mT, self.context)).mT
        return self.project(silu(self.norm(x)))
