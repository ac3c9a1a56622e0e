"""A stack of encoder blocks."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lact_modules.encoders.block import EncoderBlock
from lact_modules.encoders.dynamic_chunks import DynamicChunks
from lact_modules.encoders.heads import (
    CTCHead,
    Heads,
    ctc_head_after,
    heads_after,
    make_heads,
)
from lact_modules.encoders.layouts import alternate
from lact_modules.encoders.stages import (
    StackState,
    Stages,
    inner_blocks,
    run_blocks,
    run_stages,
    run_whole,
)
from lact_modules.layers.chunking import Chunking, map_tensors
from lact_modules.layers.dropout import Dropout
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.layers.pieces import by_pieces
from lact_modules.ops.padding import padding_mask, zero_padding
from lact_modules.renamed import renamed

Factory = Callable[[], nn.Module]
Layout = Callable[[Sequence[Factory], int], Sequence[Factory]]


@renamed
class Encoder(nn.Module):
    """Blocks of the same make, one upon the other, and a closing norm.

    Sub-layers are passed as factories (``!name:`` in YAML), called once a block.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_layers : int
        Blocks.
    mixer : Factory | Sequence[Factory]
        Makes a block's mixer; of several, `layout` chooses.
    ffn_out : Factory
        Makes a block's feed-forward layer.
    ffn_in : Factory | None
        Makes its first feed-forward layer, in conformer style.
    conv : Factory | None
        Makes its convolution, in conformer style.
    dropout : float
        Of every sub-layer's output, and of the input.
    layer_drop : float
        Probability that training passes a block over (LayerDrop, arXiv 1909.11556).
        Skipped blocks have no gradient. Each process draws its own.
    streaming_chunks : DynamicChunks | None
        Draws, in training, how each batch is divided; None never divides.
    dynamic_chunking : Callable[[int], DynamicChunking] | None
        Makes, given `d_model`, what makes fewer segments of the frames for some of the
        blocks, and frames of them again; None makes nothing of the kind.
    block_split : Sequence[int] | None
        With it, how many blocks come before, run on segments, and come after; those
        that are not counted come after. None: two thirds come before, and none after.
    layout : Layout
        Assigns mixers to blocks: in turn, or as another function of ``layouts.py``
        does.
    heads : Heads | None
        Heads after blocks, by the block's number from 1, see `make_heads`: such as
        ``{6: "ctc"}``. A router that reads blanks has one before it in any case.

    Raises
    ------
    ValueError
        If `block_split` does not fit `num_layers` or has no `dynamic_chunking`, there
        are more mixers than blocks, or none, or heads after blocks that do not exist.

    Attributes
    ----------
    chunking : Chunking | None
        How utterances are divided outside of training; None leaves them whole.
    frame_share : float
        Frames of the output for each of the input: fewer than 1 on average, if
        `dynamic_chunking` leaves the output in segments.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> encoder = Encoder(
    ...     8, 2, mixer=partial(LaCTMixer, 8, 2, 2), ffn_out=partial(FeedForward, 8, 16)
    ... )
    >>> output, lengths = encoder(torch.randn(2, 5, 8), torch.tensor([5, 3]))
    >>> output.shape, lengths
    (torch.Size([2, 5, 8]), tensor([5, 3]))
    """

    def __init__(
        self,
        d_model: int,
        num_layers: int,
        mixer: Factory | Sequence[Factory],
        ffn_out: Factory,
        ffn_in: Factory | None = None,
        conv: Factory | None = None,
        dropout: float = 0.0,
        layer_drop: float = 0.0,
        streaming_chunks: DynamicChunks | None = None,
        dynamic_chunking: Callable[[int], DynamicChunking] | None = None,
        block_split: Sequence[int] | None = None,
        layout: Layout = alternate,
        heads: Heads | None = None,
    ):
        super().__init__()
        self.d_model = d_model
        self.streaming_chunks = streaming_chunks
        self.chunking: Chunking | None = None
        self.inner = inner_blocks(block_split, num_layers, dynamic_chunking is not None)
        self.layer_drop = layer_drop
        self.dropout = Dropout(dropout)
        mixers = mixer if isinstance(mixer, Sequence) else [mixer]
        if not callable(layout):
            raise ValueError(
                f"layout={layout!r}: expected a function, such as "
                "!name:lact_modules.encoders.layouts.divide"
            )
        self.blocks = nn.ModuleList(
            EncoderBlock(
                d_model,
                mixer=make_mixer(),
                ffn_out=ffn_out(),
                ffn_in=ffn_in() if ffn_in else None,
                conv=conv() if conv else None,
                dropout=dropout,
            )
            for make_mixer in layout(mixers, num_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.heads = make_heads(heads or {}, d_model, num_layers, self.inner[0])
        self.dynamic_chunking = None
        if dynamic_chunking is not None:
            # with a seed, all else begins as without it
            with torch.random.fork_rng(devices=[]):
                self.dynamic_chunking = dynamic_chunking(d_model)
            if self.dynamic_chunking.router.reads_tokens:
                self._require_head(self.inner[0])

    @property
    def frame_share(self) -> float:
        """See the attributes."""
        dynamic = self.dynamic_chunking
        return 1.0 if dynamic is None or dynamic.upsample else dynamic.keep_ratio

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a batch.

        Arguments
        ---------
        x : Tensor
            (B, T, D); values beyond the lengths have no influence.
        lengths : Tensor
            (B,) valid frames, int64.

        Returns
        -------
        output : Tensor
            (B, T, D), zero at padding; (B, K, D) if the output is left in segments.
        lengths : Tensor
            (B,) valid frames of the output.
        """
        chunking = self._choose_chunking()
        if chunking is not None:
            return self._in_spans(x, lengths, chunking), lengths
        is_padding = padding_mask(lengths, x.shape[1])
        x = self._enter(x, is_padding)
        x, is_padding = run_whole(self._stages(), self.dynamic_chunking, x, is_padding)
        return by_pieces(self._leave, x, is_padding), (~is_padding).sum(dim=1)

    def chunked(
        self,
        x: Tensor,
        lengths: Tensor,
        chunking: Chunking,
        state: StackState | None = None,
    ) -> tuple[Tensor, StackState]:
        """Encode chunk by chunk; no frame sees beyond the end of its chunk.

        Calls that pass the state on equal one call on the joined frames, if all but
        the last have whole chunks.

        Arguments
        ---------
        x : Tensor
            (B, T, D), from the beginning of a chunk; values beyond the lengths have
            no influence.
        lengths : Tensor
            (B,) valid frames, int64.
        chunking : Chunking
            How frames are divided.
        state : StackState | None
            After the frames before.

        Returns
        -------
        output : Tensor
            (B, T, D), zero at padding.
        state : StackState
            After these frames; of each block, if none run on segments.

        Raises
        ------
        NotImplementedError
            If the output is left in segments, or a layer needs all frames.
        """
        return self._run_chunked(self._stages(), x, lengths, chunking, state)

    def _enter(self, x: Tensor, is_padding: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            # what blocks add up: sums of many would be rounded
            x = x.float()
        # always a copy: compiled steps of streams want the same strides
        return self.dropout(x.masked_fill(is_padding[..., None], 0.0))

    def _leave(self, x: Tensor, is_padding: Tensor) -> Tensor:
        return zero_padding(self.norm(x), is_padding)

    def _run_chunked(
        self,
        stages: Stages,
        x: Tensor,
        lengths: Tensor,
        chunking: Chunking,
        state: Any,
    ) -> tuple[Tensor, StackState]:
        if self.frame_share != 1:
            raise NotImplementedError(
                "segments are not upsampled to frames, by upsample: false or an "
                "early exit"
            )
        is_padding = padding_mask(lengths, x.shape[1])
        x = self._enter(x, is_padding)
        after: StackState
        if self.dynamic_chunking is None:
            x, after, _ = run_blocks(stages.outer, x, is_padding, chunking, state)
        else:
            x, after = run_stages(
                stages, self.dynamic_chunking, x, is_padding, chunking, state
            )
        return by_pieces(self._leave, x, is_padding), after

    def _in_spans(self, x: Tensor, lengths: Tensor, chunking: Chunking) -> Tensor:
        """Encode chunk by chunk; the state carried from a span has no gradient."""
        drawn = self.streaming_chunks if self.training else None
        size = (drawn and drawn.backprop_frames) or max(1, x.shape[1])
        stages = self._stages()
        state, outputs = None, []
        for index, span in enumerate(x.split(size, dim=1)):
            rest = (lengths - index * size).clamp(min=0, max=span.shape[1])
            output, state = self._run_chunked(
                stages, span, rest, chunking, map_tensors(Tensor.detach, state)
            )
            outputs.append(output)
        return torch.cat(outputs, dim=1)

    def _choose_chunking(self) -> Chunking | None:
        if not self.training:
            return self.chunking
        return None if self.streaming_chunks is None else self.streaming_chunks.draw()

    def _require_head(self, block: int) -> None:
        """Let the CTC head after a block run in evaluation; make one if it has none."""
        if block == 0:
            raise ValueError("router ctc-blank: needs a block before the segments")
        head = ctc_head_after(self.heads, block)
        if head is None:
            head = self.heads[f"{block}"] = CTCHead(self.d_model)
        head.runs_in_eval = True

    def _stages(self) -> Stages:
        """Divide the blocks that are not skipped, and the heads."""
        stages: tuple[list[nn.Module], ...] = ([], [], [])
        first, stop = self.inner
        for number, block in enumerate(self.blocks, start=1):
            stage = stages[(number > first) + (number > stop)]
            stage += [block] if self._is_kept() else []
            stage += heads_after(self.heads, number)
        return Stages(*stages)

    def _is_kept(self) -> bool:
        if not self.training or not self.layer_drop:
            return True
        # no tensor, which would have to be read in the middle of a graph
        return random.random() >= self.layer_drop
