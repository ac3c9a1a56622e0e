"""Waveform to CTC log-probabilities: front end, encoder, output layer."""

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor, nn

from lact_modules.encoders.heads import CTCHead
from lact_modules.encoders.masked_prediction import MaskedPredictor

Augmentation = Callable[[Tensor, Tensor], Tensor]


class Frontend(Protocol):
    """What `CTCModel` asks of a front end, which is an nn.Module too."""

    frame_rate: float

    def features(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map samples (B, N) and lengths (B,) to features (B, T, M) and lengths."""

    def subsample(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map features to frames (B, T', D) at the frame rate, and lengths."""


class FrameEncoder(Protocol):
    """What `CTCModel` asks of an encoder, which is an nn.Module too."""

    d_model: int
    # output frames for each input frame, on average
    frame_share: float

    def __call__(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, T, D) and lengths (B,) to the same."""


class CTCModel(nn.Module):
    """A front end, an encoder and a linear CTC output layer.

    Arguments
    ---------
    frontend : Frontend
        From waveform to frames, such as `MelFrontend`.
    encoder : FrameEncoder
        From frames to frames, such as `Encoder`.
    num_tokens : int | None
        Output units, the blank included; None if `set_num_tokens` sets it later.
    enable_ttt : bool
        Learn masked prediction too, by a `MaskedPredictor`, so that the model can be
        trained by it at test time.
    ttt_mask_prob : float
        Share of the frames that are hidden then.

    Raises
    ------
    ValueError
        If masked prediction is to be learned by an encoder that outputs fewer frames.

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

    def __init__(
        self,
        frontend: Frontend,
        encoder: FrameEncoder,
        num_tokens: int | None,
        enable_ttt: bool = False,
        ttt_mask_prob: float = 0.15,
    ):
        super().__init__()
        self.frontend = frontend
        self.encoder = encoder
        # the blank alone, until the vocabulary is known
        self.set_num_tokens(1 if num_tokens is None else num_tokens)
        if enable_ttt and encoder.frame_share != 1:
            raise ValueError("enable_ttt: hidden frames need dynamic_chunking.upsample")
        self.masked_predictor = (
            MaskedPredictor(encoder.d_model, ttt_mask_prob) if enable_ttt else None
        )

    def set_num_tokens(self, num_tokens: int) -> None:
        """Make output layers for so many tokens, with fresh weights; heads' too."""
        self.output = nn.Linear(self.encoder.d_model, num_tokens)
        for module in self.modules():
            if isinstance(module, CTCHead):
                module.set_num_tokens(num_tokens)

    @property
    def frame_rate(self) -> float:
        """Output frames per second; on average, if the output is left in segments."""
        return self.frontend.frame_rate * self.encoder.frame_share

    def forward(
        self, waveform: Tensor, lengths: Tensor, augment: Augmentation | None = None
    ) -> tuple[Tensor, ...]:
        """Score every token at every frame.

        Arguments
        ---------
        waveform : Tensor
            (B, N) float32 at 16 kHz; values beyond the lengths have no
            influence.
        lengths : Tensor
            (B,) valid samples, int64.
        augment : Augmentation | None
            Changes the features (B, T, M) of given lengths, in training.

        Returns
        -------
        tuple[Tensor, ...]
            Log-probabilities (B, T, num_tokens) float32; numbers of frames (B,), int64;
            and losses of masked prediction (B,), if it is enabled and the model in
            training.
        """
        frames, lengths = self.make_frames(waveform, lengths, augment)
        x, lengths = self.encoder(frames, lengths)
        outputs = self.outputs(x, lengths)
        if self.masked_predictor is None or not self.training:
            return outputs
        return (*outputs, self.masked_predictor(self.encoder, frames, lengths, x))

    def make_frames(
        self, waveform: Tensor, lengths: Tensor, augment: Augmentation | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run the front end: samples (B, N) to frames (B, T, D), and lengths."""
        features, lengths = self.frontend.features(waveform, lengths)
        if augment is not None:
            features = augment(features, lengths)
        return self.frontend.subsample(features, lengths)

    def encode(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map samples (B, N) to encoded frames (B, T, D), and lengths."""
        return self.encoder(*self.make_frames(waveform, lengths))

    def outputs(self, x: Tensor, lengths: Tensor) -> Any:
        """Return what decoders take, from encoded frames (B, T, D) and lengths."""
        return self.score_frames(x), lengths

    def score_frames(self, x: Tensor) -> Tensor:
        """Map frames (B, T, D) to log-probabilities (B, T, num_tokens) float32."""
        return self.output(x).float().log_softmax(dim=-1)
