"""A stack of decoder blocks between embeddings and token probabilities."""

from collections.abc import Callable, Iterable
from typing import Literal, cast

import torch
from torch import Tensor, nn

from lact_modules.decoders.block import CrossMixer, DecoderBlock, SelfMixer
from lact_modules.decoders.state import DecoderState
from lact_modules.layers.dropout import Dropout
from lact_modules.layers.relative_attention import sinusoids
from lact_modules.ops.padding import padding_mask


class TextDecoder(nn.Module):
    """Predict each token from those before it and from a memory.

    All at once in training, or token by token with an explicit state, with equal
    results. Sub-layers are passed as factories (``!name:`` in YAML), called once a
    block.

    Arguments
    ---------
    d_model : int
        Model dimension, also of the memory; even.
    num_layers : int
        Blocks.
    num_tokens : int
        Size of the vocabulary.
    self_mixer : Callable[[], SelfMixer]
        Makes a block's mixer of tokens.
    cross_mixer : Callable[[], CrossMixer]
        Makes its mixer of tokens and memory.
    ffn : Callable[[], nn.Module]
        Makes its feed-forward layer.
    dropout : float
        Of every sub-layer's output, and of the embeddings.
    positions : Literal["sinusoidal"] | None
        What is added to embeddings: attention would not know the order of tokens
        without, state space models know it.

    Raises
    ------
    ValueError
        If positions are neither.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.layers import CausalAttention, CrossAttention, FeedForward
    >>> decoder = TextDecoder(
    ...     d_model=8,
    ...     num_layers=2,
    ...     num_tokens=5,
    ...     self_mixer=partial(CausalAttention, 8, 2),
    ...     cross_mixer=partial(CrossAttention, 8, 2),
    ...     ffn=partial(FeedForward, 8, 16),
    ... )
    >>> memory, lengths = torch.randn(2, 9, 8), torch.tensor([9, 4])
    >>> decoder(torch.tensor([[1, 3, 4], [1, 4, 0]]), memory, lengths).shape
    torch.Size([2, 3, 5])
    >>> state = decoder.start(memory, lengths)
    >>> log_probs, state = decoder.step(torch.tensor([1, 1]), state)
    >>> log_probs.shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        d_model: int,
        num_layers: int,
        num_tokens: int,
        self_mixer: Callable[[], SelfMixer],
        cross_mixer: Callable[[], CrossMixer],
        ffn: Callable[[], nn.Module],
        dropout: float = 0.0,
        positions: Literal["sinusoidal"] | None = "sinusoidal",
    ):
        super().__init__()
        if positions not in ("sinusoidal", None):
            raise ValueError(f"positions={positions!r}: choose 'sinusoidal' or None")
        self.d_model = d_model
        self.positions = positions
        self.embedding = nn.Embedding(num_tokens, d_model)
        self.dropout = Dropout(dropout)
        blocks = nn.ModuleList(
            DecoderBlock(d_model, self_mixer(), cross_mixer(), ffn(), dropout)
            for _ in range(num_layers)
        )
        self.blocks = cast("Iterable[DecoderBlock]", blocks)
        self.norm = nn.LayerNorm(d_model)
        self.output = nn.Linear(d_model, num_tokens)
        # scaled by sqrt(d_model), embeddings are as large as positions
        nn.init.normal_(self.embedding.weight, std=d_model**-0.5)

    def forward(self, tokens: Tensor, memory: Tensor, memory_lengths: Tensor) -> Tensor:
        """Score every token after each beginning of the texts.

        Arguments
        ---------
        tokens : Tensor
            (B, U) int64, the beginning-of-sentence token first; padded at the end
            with any tokens, which have no influence on those before.
        memory : Tensor
            (B, T, D); values beyond the lengths have no influence.
        memory_lengths : Tensor
            (B,) valid frames, int64.

        Returns
        -------
        Tensor
            (B, U, num_tokens) float32 log-probabilities of the token that follows.
        """
        memory, is_padding = self._mask(memory, memory_lengths)
        x = self._embed(tokens, torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x, memory, is_padding)
        return self._score(x)

    def start(self, memory: Tensor, memory_lengths: Tensor) -> DecoderState:
        """Read the memory once, before the first token.

        Arguments
        ---------
        memory : Tensor
            (B, T, D); values beyond the lengths have no influence.
        memory_lengths : Tensor
            (B,) valid frames, int64.

        Returns
        -------
        DecoderState
            For :meth:`step` with the beginning-of-sentence token.
        """
        masked = self._mask(memory, memory_lengths)
        return DecoderState(0, tuple(block.start(*masked) for block in self.blocks))

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Score every token after one more token.

        Arguments
        ---------
        tokens : Tensor
            (B,) int64.
        state : DecoderState
            After the tokens before.

        Returns
        -------
        log_probs : Tensor
            (B, num_tokens) float32 of the token that follows.
        state : DecoderState
            After these tokens; the one given stays as it is.
        """
        position = torch.tensor([state.num_tokens], device=tokens.device)
        x, blocks = self._embed(tokens, position), []
        for block, block_state in zip(self.blocks, state.blocks, strict=True):
            x, block_state = block.step(x, block_state)
            blocks.append(block_state)
        return self._score(x), DecoderState(state.num_tokens + 1, tuple(blocks))

    def _mask(self, memory: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        is_padding = padding_mask(lengths, memory.shape[1])
        return memory.masked_fill(is_padding[..., None], 0.0), is_padding

    def _embed(self, tokens: Tensor, positions: Tensor) -> Tensor:
        x = self.embedding(tokens) * self.d_model**0.5
        if self.positions is not None:
            x = x + sinusoids(positions, self.d_model).to(x.dtype)
        return self.dropout(x)

    def _score(self, x: Tensor) -> Tensor:
        return self.output(self.norm(x)).float().log_softmax(dim=-1)
