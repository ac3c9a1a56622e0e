"""A head that learns the codes of a teacher's frames."""

import torch
from torch import Tensor, nn

from lact_modules.encoders.heads import Head


class CodeHead(Head):
    """A norm and an output layer over a teacher's codes, for training alone.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_codes : int
        Of the teacher.

    Example
    -------
    >>> head, x = CodeHead(8, num_codes=5), torch.randn(2, 9, 8)
    >>> head(x, torch.zeros(2, 9).bool())[1].shape
    torch.Size([2, 9, 5])
    >>> head.eval()(x, torch.zeros(2, 9).bool())[1]
    """

    def __init__(self, d_model: int, num_codes: int = 500):
        super().__init__()
        self.num_codes = num_codes
        self.norm = nn.LayerNorm(d_model)
        self.output = nn.Linear(d_model, num_codes)

    def forward(
        self, x: Tensor, is_padding: Tensor, row: int | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """See `Head`: outputs log-probabilities (B, T, num_codes), float32 or more."""
        if not self.training:
            return x, None
        scores = self.output(self.norm(x))
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        return x, scores.log_softmax(dim=-1)
