"""The position-wise feed-forward sub-layer."""

from torch import Tensor, nn

from lact_modules.layers.dropout import Dropout
from lact_modules.layers.pieces import by_pieces


class FeedForward(nn.Module):
    """Expand, SiLU, project back (arXiv 2005.08100, sec. 2.2.3).

    Arguments
    ---------
    d_model : int
        Model dimension.
    d_ffn : int
        Hidden dimension.
    dropout : float
        After the activation.

    Example
    -------
    >>> import torch
    >>> FeedForward(d_model=8, d_ffn=32)(torch.randn(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, d_model: int, d_ffn: int, dropout: float = 0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(d_model, d_ffn),
            nn.SiLU(),
            Dropout(dropout),
            nn.Linear(d_ffn, d_model),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T, D), each frame alone."""
        return by_pieces(self.layers, x)
