"""SpeechBrain's Transformer language model, token by token."""

import copy
from typing import cast

from speechbrain.lobes.models.transformer.Transformer import TransformerEncoderLayer
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM
from torch import Tensor, nn

from lact_modules.decoders import DecoderState
from lact_modules.errors import InputError
from lact_modules.language_model.token_model import RereadingModel, TokenModel
from lact_modules.layers import CausalAttention


def by_token(model: TransformerLM) -> TokenModel:
    """Return a model to ask for one token after the other; weights are shared.

    It keeps keys and values if the model's attention is ``regularMHA``.
    """
    if model.attention_type == "regularMHA":
        return CachedTransformerLM(model)
    return RereadingModel(model)


class CachedTransformerLM:
    """A TransformerLM with ``regularMHA`` that keeps keys and values.

    SpeechBrain's reads the whole text for each token, and scores what follows all of
    its beginnings. Log-probabilities are the same up to rounding. SpeechBrain takes
    token 0 for padding, so it may not be in texts.
    """

    def __init__(self, model: TransformerLM):
        self.model = model
        self._layers = [_keep_state(layer) for layer in model.encoder.layers]

    def start(self, batch_size: int) -> DecoderState:
        """Return the state before the token that begins texts: no keys and values."""
        blocks = [layer.self_att.mixer.start(batch_size) for layer in self._layers]
        return DecoderState(0, tuple((own, ()) for own in blocks))

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Score what follows (R,) more tokens: (R, V) float32; see `TokenModel`.

        Raises InputError if the text is longer than the model's table of positions.
        """
        model, place = self.model, state.num_tokens
        if place == model.positional_encoding.max_len:
            raise InputError(
                f"language model: it reads texts of {place} tokens at most; search "
                "without it, or in shorter audio"
            )
        # (R,) -> (R, 1, D)
        x = model.custom_src_module(tokens[:, None])
        if model.embedding_proj is not None:
            x = model.embedding_proj(x)
        x = x + model.positional_encoding.pe[:, place, None]
        blocks = []
        for layer, (own, _) in zip(self._layers, state.blocks, strict=True):
            x, own = layer(x, pos_embs=own)
            blocks.append((own, ()))
        logits = model.output_proj(model.encoder.norm(x))[:, 0]
        return logits.float().log_softmax(dim=-1), DecoderState(
            place + 1, tuple(blocks)
        )


class _SelfAttention(nn.Module):
    """Stands for SpeechBrain's, over one token; the layer hands its state through."""

    def __init__(self, attention: nn.MultiheadAttention):
        super().__init__()
        self.mixer = CausalAttention(attention.embed_dim, attention.num_heads)
        self.mixer.project_qkv.weight = attention.in_proj_weight
        self.mixer.project_qkv.bias = attention.in_proj_bias
        self.mixer.project_output = attention.out_proj

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: None,
        key_padding_mask: None,
        pos_embs: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        y, state = self.mixer.step(query[:, 0], pos_embs)
        return y[:, None], state


def _keep_state(layer: TransformerEncoderLayer) -> TransformerEncoderLayer:
    """Copy a layer, not its weights, that takes and returns its attention's state.

    What it calls positions it passes to its attention, whose second output it returns.
    """
    copied = copy.copy(layer)
    attention = _SelfAttention(cast("nn.MultiheadAttention", layer.self_att.att))
    copied._modules = {**layer._modules, "self_att": attention.eval()}
    return copied
