"""Waveform to CTC log-probabilities: front end, encoder, output layer."""

from collections.abc import Callable

from torch import Tensor, nn

Augmentation = Callable[[Tensor, Tensor], Tensor]


class CTCModel(nn.Module):
    """A front end, an encoder and a linear CTC output layer.

    Arguments
    ---------
    frontend : nn.Module
        Has `features`, `subsample` and `frame_rate`, see `MelFrontend`.
    encoder : nn.Module
        ``(x (B, T, D), lengths (B,)) -> (x, lengths)``, with `d_model`.
    num_tokens : int
        Output units, the blank included.

    Example
    -------
    >>> import torch
    >>> from functools import partial
    >>> from lact_modules.encoders import Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> model = CTCModel(MelFrontend(8), Encoder(8, 2, mixer, ffn), num_tokens=5)
    >>> log_probs, lengths = model(torch.randn(2, 16000), torch.tensor([16000, 8000]))
    >>> log_probs.shape, lengths
    (torch.Size([2, 25, 5]), tensor([25, 13]))
    """

    def __init__(self, frontend: nn.Module, encoder: nn.Module, num_tokens: int):
        super().__init__()
        self.frontend = frontend
        self.encoder = encoder
        self.output = nn.Linear(encoder.d_model, num_tokens)

    @property
    def frame_rate(self) -> float:
        """Output frames a second."""
        return self.frontend.frame_rate

    def forward(
        self, waveform: Tensor, lengths: Tensor, augment: Augmentation | None = None
    ) -> tuple[Tensor, Tensor]:
        """Score every token at every frame.

        Arguments
        ---------
        waveform : Tensor
            (B, N) float32 at 16 kHz; what stands beyond the lengths has no
            influence.
        lengths : Tensor
            (B,) valid samples, int64.
        augment : Callable | None
            Changes the features (B, T, M) of given lengths, in training.

        Returns
        -------
        log_probs : Tensor
            (B, T, num_tokens) float32.
        lengths : Tensor
            (B,) valid frames, int64.
        """
        features, lengths = self.frontend.features(waveform, lengths)
        if augment is not None:
            features = augment(features, lengths)
        x, lengths = self.frontend.subsample(features, lengths)
        x, lengths = self.encoder(x, lengths)
        return self.output(x).float().log_softmax(dim=-1), lengths
