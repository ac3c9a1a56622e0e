"""Predict what an encoder makes of frames that are hidden from it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from lact_modules.ops.spans import draw_spans

Encode = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Maps frames (B, T, D) and lengths (B,) to the same, as `Encoder` does."""


class MaskedPredictor(nn.Module):
    """Hide spans of frames, and predict the encoder's output there from the rest.

    The loss is the squared error between the prediction and the encoder's output when
    nothing is hidden, each frame normalized (the targets of data2vec, arXiv 2202.03555,
    sec. 3.3, from the model itself). It needs no transcript. At test time its gradient
    is useful only if it was part of the training.

    Arguments
    ---------
    d_model : int
        Model dimension.
    share : float
        Of the frames to hide, see `draw_spans`.
    span : int
        Frames hidden together.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.encoders import Encoder
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> encoder = Encoder(8, 2, mixer, ffn)
    >>> frames, lengths = torch.randn(2, 30, 8), torch.tensor([30, 20])
    >>> hidden, _ = encoder(frames, lengths)
    >>> MaskedPredictor(8)(encoder, frames, lengths, hidden).shape
    torch.Size([2])
    """

    def __init__(self, d_model: int, share: float = 0.15, span: int = 5):
        super().__init__()
        self.share, self.span = share, span
        self.embedding = nn.Parameter(torch.empty(d_model).uniform_())
        self.predict = nn.Sequential(
            nn.Linear(d_model, d_model), nn.GELU(), nn.Linear(d_model, d_model)
        )

    def forward(
        self,
        encode: Encode,
        frames: Tensor,
        lengths: Tensor,
        hidden: Tensor,
        generators: Sequence[torch.Generator] | None = None,
    ) -> Tensor:
        """Return the loss of each utterance.

        Arguments
        ---------
        encode : Encode
            The encoder.
        frames : Tensor
            (B, T, D) that it reads.
        lengths : Tensor
            (B,) valid frames.
        hidden : Tensor
            (B, T, D), its output for them; no gradient flows into it.
        generators : Sequence[torch.Generator] | None
            Draw what is hidden, see `draw_spans`.

        Returns
        -------
        Tensor
            (B,) float32; 0 where nothing is hidden.
        """
        mask = draw_spans(lengths, frames.shape[1], self.share, self.span, generators)
        is_hidden = mask[..., None]
        seen, _ = encode(torch.where(is_hidden, self.embedding, frames), lengths)
        target = layer_norm(hidden.detach().float(), hidden.shape[-1:])
        errors = (self.predict(seen).float() - target).square().mean(dim=-1)
        total = torch.where(mask, errors, 0.0).sum(dim=1)
        return total / mask.sum(dim=1).clamp(min=1)
