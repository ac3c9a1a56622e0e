"""SpeechBrain's encoders in this package's models, and the other way round."""

from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from speechbrain.lobes.models.transformer import TransformerASR as stock
from speechbrain.nnet.attention import RelPosEncXL
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import Tensor, nn

from lact_modules.encoders import Encoder
from lact_modules.encoders.layouts import upper_blocks
from lact_modules.encoders.stages import StackState
from lact_modules.errors import InputError
from lact_modules.layers import ConvolutionModule, FeedForward, LaCTMixer
from lact_modules.layers.chunking import Chunking
from lact_modules.ops import UpdateRule
from lact_modules.ops.padding import padding_mask

BLOCKS = ("conformer", "transformer")
"""Kinds of blocks that `TransformerASR` builds."""


class SpeechBrainEncoder(nn.Module):
    """A Conformer or Branchformer of SpeechBrain, to compare with.

    It is **not batch-invariant**: SpeechBrain's convolution module masks its output,
    not its input, so an utterance's last frames depend on how far it is padded. All
    encoders of this package keep that contract.

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


class TransformerASR(stock.TransformerASR):
    """SpeechBrain's ``TransformerASR`` with an encoder of this package.

    For its recipes, with their arguments: the class path alone changes.
    Decoder, searchers, ``EncoderWrapper`` and streaming work unchanged.

    Arguments
    ---------
    tgt_vocab : int
        Tokens of the decoder.
    input_size : int
        Features a frame.
    d_model : int
        Model dimension.
    nhead : int
        Heads of attention, and of fast weights.
    num_encoder_layers : int
        Blocks.
    num_decoder_layers : int
        SpeechBrain's, 0 for CTC alone.
    d_ffn : int
        Width of feed-forward layers.
    dropout : float
        Of all of it.
    kernel_size : int
        Frames that a convolution sees, odd.
    encoder_module : str
        ``conformer`` or ``transformer`` blocks.
    causal : bool
        Not True: streams are trained by chunks.
    attention_type : str
        Of no influence, like `positional_encoding`: this encoder knows positions by
        rotation, and the decoder's own are absolute.
    positional_encoding : str | None
        See there.
    output_hidden_states : bool
        Not True.
    layerdrop_prob : float
        Probability that training passes a block over.
    encoder : Encoder | None
        In the place of one built of these arguments, which has fast weights in the
        upper third of its blocks.
    **options : Any
        Others of SpeechBrain's, for the decoder: ``activation``,
        ``normalize_before``, ``max_length``, ...

    Raises
    ------
    InputError
        If there are no such blocks, the encoder does not fit, or cannot do it.

    Example
    -------
    >>> model = TransformerASR(9, 20, 16, 2, num_encoder_layers=2, d_ffn=8)
    >>> src, tgt = torch.randn(2, 5, 20), torch.tensor([[1, 3], [1, 4]])
    >>> encoded, decoded = model(src, tgt, wav_len=torch.tensor([1.0, 0.6]))
    >>> encoded.shape, decoded.shape
    (torch.Size([2, 5, 16]), torch.Size([2, 2, 16]))
    """

    def __init__(
        self,
        tgt_vocab: int,
        input_size: int,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        d_ffn: int = 2048,
        dropout: float = 0.1,
        *,
        kernel_size: int = 31,
        encoder_module: str = "conformer",
        causal: bool = False,
        attention_type: str = "RoPEMHA",
        positional_encoding: str | None = None,
        output_hidden_states: bool = False,
        layerdrop_prob: float = 0.0,
        encoder: Encoder | None = None,
        **options: Any,
    ):
        if causal:
            raise InputError("causal: true is not supported; train in chunks instead")
        if output_hidden_states:
            raise InputError("output_hidden_states: true is not supported; omit it")
        super().__init__(
            tgt_vocab,
            input_size,
            d_model,
            nhead,
            # SpeechBrain requires some; replaced below
            num_encoder_layers=1,
            num_decoder_layers=num_decoder_layers,
            d_ffn=d_ffn,
            dropout=dropout,
            causal=False,
            # adds no positions to what the encoder reads
            attention_type="RoPEMHA",
            positional_encoding=None,
            **options,
        )
        if encoder is None:
            encoder = _build_encoder(
                *(d_model, nhead, num_encoder_layers, d_ffn, dropout),
                *(kernel_size, encoder_module, layerdrop_prob),
            )
        if (encoder.d_model, encoder.frame_share) != (d_model, 1):
            raise InputError(
                f"encoder: has d_model {encoder.d_model} and gives "
                f"{encoder.frame_share:g} frames for each; expected {d_model} and 1"
            )
        # SpeechBrain has drawn all weights anew by now, which would ruin fast weights
        self.encoder = _Slot(encoder)


class _Slot(nn.Module):
    """An encoder of this package, called as SpeechBrain calls its own."""

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = encoder

    def forward(
        self,
        src: Tensor,
        src_mask: None = None,
        src_key_padding_mask: Tensor | None = None,
        pos_embs: None = None,
        dynchunktrain_config: DynChunkTrainConfig | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Encode (B, T, D) with (B, T) padding; no attention is given."""
        lengths = _full_lengths(src)
        if src_key_padding_mask is not None:
            lengths = (~src_key_padding_mask).sum(dim=1)
        if dynchunktrain_config is None:
            return self.encoder(src, lengths)[0], []
        chunking = _to_chunking(dynchunktrain_config, most=src.shape[1])
        return self.encoder.chunked(src, lengths, chunking)[0], []

    def make_streaming_context(self, config: DynChunkTrainConfig) -> "_StreamContext":
        """Begin a batch of streams."""
        return _StreamContext(_to_chunking(config))

    def forward_streaming(
        self, src: Tensor, context: "_StreamContext", pos_embs: None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Encode the next chunk (B, T, D) of each stream; the context is changed."""
        output, context.state = self.encoder.chunked(
            src, _full_lengths(src), context.chunking, context.state
        )
        return output, []


@dataclass
class _StreamContext:
    """Carried state of a batch of streams, which calls change."""

    chunking: Chunking
    state: StackState | None = None
    # SpeechBrain asks the first layer how many positions there were before
    layers = (SimpleNamespace(mha_left_context=None),)


def _full_lengths(x: Tensor) -> Tensor:
    return torch.full((len(x),), x.shape[1], device=x.device)


def _to_chunking(config: DynChunkTrainConfig, most: int | None = None) -> Chunking:
    """Turn chunks of SpeechBrain's into ours; without a limit `most` frames before."""
    left = config.left_context_size_frames()
    left = most if left is None else left
    if left is None:
        raise InputError("left_context_size None: memory would grow; give a number")
    return Chunking(config.chunk_size, left)


def _build_encoder(
    d_model: int,
    num_heads: int,
    num_layers: int,
    d_ffn: int,
    dropout: float,
    kernel_size: int,
    blocks: str,
    layer_drop: float,
) -> Encoder:
    """Make what ``hparams/encoder/lact_conformer.yaml`` makes, or plain blocks."""
    if blocks not in BLOCKS:
        raise InputError(
            f"encoder_module {blocks!r}: choose one of {', '.join(BLOCKS)}"
        )
    is_conformer = blocks == "conformer"
    rule = UpdateRule(optimizer="muon", gain=1.0, normalization="post", update="down")
    ffn = partial(FeedForward, d_model, d_ffn, dropout)
    return Encoder(
        d_model,
        num_layers,
        mixer=partial(
            LaCTMixer,
            d_model,
            num_heads,
            num_lact_heads=num_heads,
            window=(32, 32),
            rule=rule,
        ),
        ffn_out=ffn,
        ffn_in=ffn if is_conformer else None,
        conv=partial(ConvolutionModule, d_model, kernel_size) if is_conformer else None,
        dropout=dropout,
        layer_drop=layer_drop,
        layout=partial(upper_blocks, below={"num_lact_heads": 0}, share=0.33),
    )
