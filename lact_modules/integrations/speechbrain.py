"""SpeechBrain's encoders in the place of this package's."""

from speechbrain.nnet.attention import RelPosEncXL
from torch import Tensor, nn

from lact_modules.ops.padding import padding_mask


class SpeechBrainEncoder(nn.Module):
    """A Conformer or Branchformer of SpeechBrain, to compare with.

    It is **not batch-invariant**: SpeechBrain's convolution module masks what it
    gives out, not what it takes in, so an utterance's last frames depend on how far
    it is padded. All encoders of this package keep that contract.

    Arguments
    ---------
    encoder : nn.Module
        SpeechBrain's, with attention ``RelPosMHAXL``, its default.
    d_model : int
        Its model dimension, even.

    Example
    -------
    >>> import torch
    >>> from speechbrain.lobes.models.transformer.Conformer import ConformerEncoder
    >>> encoder = SpeechBrainEncoder(ConformerEncoder(1, 8, 16, nhead=2), d_model=8)
    >>> output, lengths = encoder(torch.randn(2, 5, 8), torch.tensor([5, 3]))
    >>> output.shape, lengths
    (torch.Size([2, 5, 8]), tensor([5, 3]))
    """

    def __init__(self, encoder: nn.Module, d_model: int):
        super().__init__()
        self.encoder = encoder
        self.d_model, self.frame_share = d_model, 1.0
        self.positions = RelPosEncXL(d_model)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        Arguments
        ---------
        x : Tensor
            (B, T, D); how far it is padded has an influence, see above.
        lengths : Tensor
            (B,) valid frames, int64, above 0.

        Returns
        -------
        output : Tensor
            (B, T, D), zero at padding.
        lengths : Tensor
            (B,) valid frames of the output.
        """
        is_padding = padding_mask(lengths, x.shape[1])
        x = x.masked_fill(is_padding[..., None], 0.0)
        output, _ = self.encoder(
            x, src_key_padding_mask=is_padding, pos_embs=self.positions(x)
        )
        return output.masked_fill(is_padding[..., None], 0.0), lengths
