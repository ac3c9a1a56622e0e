"""Convolutions over time and mel bands, each channel apart and then together."""

from torch import Tensor, nn


class SeparableConvolution(nn.Module):
    """A convolution of each channel, then a mixture of channels at each place.

    Of 3 x 3 values it takes a ninth of a full convolution's products or less, so that
    there may be more channels and strides (arXiv 2305.05084, sec. 2.1).

    Arguments
    ---------
    in_channels : int
        Of the input.
    out_channels : int
        Of the output.
    stride : int
        Along both axes, which become shorter by it, rounding up.

    Example
    -------
    >>> import torch
    >>> SeparableConvolution(4, 6, stride=2)(torch.randn(2, 4, 9, 10)).shape
    torch.Size([2, 6, 5, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, 3, stride, padding=1, groups=in_channels
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, M) to (B, C', T', M')."""
        return self.pointwise(self.depthwise(x))
