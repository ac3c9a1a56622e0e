"""Waveform to text: a CTC model with a text decoder beside its output layer."""

from typing import Any, NamedTuple, Protocol

from torch import Tensor

from lact_modules.encoders.ctc_model import (
    Augmentation,
    CTCModel,
    FrameEncoder,
    Frontend,
)


class TokenDecoder(Protocol):
    """What `S2SModel` asks of a text decoder, which is an nn.Module too."""

    def __call__(
        self, tokens: Tensor, memory: Tensor, memory_lengths: Tensor
    ) -> Tensor:
        """Map tokens (B, U) and memory (B, T, D) to log-probabilities (B, U, V)."""

    def start(self, memory: Tensor, memory_lengths: Tensor) -> Any:
        """Read the memory; return a state with ``select(indices)``."""

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Map one token (B,) to log-probabilities (B, V); return the state after it."""


class S2SOutput(NamedTuple):
    """The outputs of both branches of a model.

    Arguments
    ---------
    log_probs : Tensor
        (B, T, V) float32, of the CTC branch.
    lengths : Tensor
        (B,) valid frames, int64.
    memory : Tensor
        (B, T, D), what the text decoder reads; zero at padding.
    token_log_probs : Tensor | None
        (B, U, V) float32, of the text decoder; None if no tokens were given.
    """

    log_probs: Tensor
    lengths: Tensor
    memory: Tensor
    token_log_probs: Tensor | None


class S2SModel(CTCModel):
    """An encoder with two branches: CTC, and a text decoder (arXiv 1609.06773).

    Its first two outputs are those of a `CTCModel`, so CTC decoders can decode it too.

    Arguments
    ---------
    frontend : Frontend
        From waveform to frames, such as `MelFrontend`.
    encoder : FrameEncoder
        From frames to frames, such as `Encoder`.
    decoder : TokenDecoder
        From tokens and encoded frames to tokens, such as `TextDecoder`.
    num_tokens : int
        Tokens of both branches, CTC's blank included.

    Example
    -------
    >>> import torch
    >>> from functools import partial
    >>> from lact_modules.decoders import TextDecoder
    >>> from lact_modules.encoders import Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import CausalMamba, CrossMamba, FeedForward, LaCTMixer
    >>> ffn = partial(FeedForward, 8, 16)
    >>> encoder = Encoder(8, 2, partial(LaCTMixer, 8, 2, 2), ffn)
    >>> mixers = partial(CausalMamba, 8), partial(CrossMamba, 8)
    >>> decoder = TextDecoder(8, 1, 5, *mixers, ffn)
    >>> model = S2SModel(MelFrontend(8), encoder, decoder, num_tokens=5)
    >>> waveform, lengths = torch.randn(2, 16000), torch.tensor([16000, 8000])
    >>> output = model(waveform, lengths, tokens=torch.tensor([[1, 3, 4], [1, 4, 0]]))
    >>> output.log_probs.shape, output.lengths, output.token_log_probs.shape
    (torch.Size([2, 25, 5]), tensor([25, 13]), torch.Size([2, 3, 5]))
    """

    def __init__(
        self,
        frontend: Frontend,
        encoder: FrameEncoder,
        decoder: TokenDecoder,
        num_tokens: int,
    ):
        super().__init__(frontend, encoder, num_tokens)
        self.decoder = decoder

    # a longer tuple than a CTC model's, of which the beginning is the same
    def forward(  # type: ignore[override]
        self,
        waveform: Tensor,
        lengths: Tensor,
        augment: Augmentation | None = None,
        tokens: Tensor | None = None,
    ) -> S2SOutput:
        """Score tokens at every frame, and after every beginning of the texts.

        Arguments
        ---------
        waveform : Tensor
            (B, N) float32 at 16 kHz; values beyond the lengths have no
            influence.
        lengths : Tensor
            (B,) valid samples, int64.
        augment : Augmentation | None
            Changes the features (B, T, M) of given lengths, in training.
        tokens : Tensor | None
            (B, U) int64, the texts from the beginning-of-sentence token on, padded
            with any tokens.

        Returns
        -------
        S2SOutput
            Of both branches, or of CTC alone without tokens.
        """
        frames, lengths = self.make_frames(waveform, lengths, augment)
        encoded = self.outputs(*self.encoder(frames, lengths))
        if tokens is None:
            return encoded
        scores = self.decoder(tokens, encoded.memory, encoded.lengths)
        return encoded._replace(token_log_probs=scores)

    def outputs(self, x: Tensor, lengths: Tensor) -> S2SOutput:
        """Return what decoders take, from encoded frames (B, T, D) and lengths."""
        return S2SOutput(self.score_frames(x), lengths, x, None)
