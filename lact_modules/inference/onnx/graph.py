"""A recognizer as one ONNX graph: samples in, log-probabilities out."""

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import onnx
import torch
from onnx import ModelProto
from onnx_ir.passes import Sequential
from onnx_ir.passes.common import (
    CommonSubexpressionEliminationPass,
    DeduplicateInitializersPass,
)
from torch import Tensor, nn
from torch.export import Dim

from lact_modules.encoders import CTCModel, Encoder, S2SModel
from lact_modules.errors import InputError, on_one_line
from lact_modules.frontends import MelFrontend
from lact_modules.frontends.spectrum import MelProducts
from lact_modules.inference.onnx.operators import Rewritten
from lact_modules.inference.onnx.prologue import add_prologue
from lact_modules.layers import AttentionMixer, LaCTMixer, SummaryMixer
from lact_modules.layers.relative_attention import RelativeAttention

OUTPUTS = ("log_probs", "num_frames")
"""Of a graph: (B, T, V) float32 and (B,) int64."""

OPSET = 20

_MIXERS = (AttentionMixer, LaCTMixer, SummaryMixer)

# frames of the example, at least
_FRAMES = 32

# of tables, of which the exporter compares the smallest alone
_MOST_BYTES = 2**20
_MERGE = Sequential(
    DeduplicateInitializersPass(_MOST_BYTES), CommonSubexpressionEliminationPass()
)


def make_graph(model: CTCModel) -> ModelProto:
    """Express a model in ONNX, for any number of utterances of any length.

    Inputs are ``waveform`` (B, N) float32 at 16 kHz and ``lengths`` (B,) int64 samples,
    all if omitted; outputs are ``log_probs`` (B, T, V) and ``num_frames`` (B,).
    """
    check_exportable(model)
    core = _Whole(model)
    batch = Dim("batch")
    blocks = torch.zeros(2, _count_frames(core), core.unit)
    lengths = torch.tensor([blocks[0].numel(), 1000])
    shapes = {"blocks": {0: batch, 1: Dim("frames")}, "lengths": {0: batch}}
    made = export_module(core, (blocks, lengths), OUTPUTS, dynamic_shapes=shapes)
    graph = add_prologue(made, core.unit)
    onnx.checker.check_model(graph)
    return graph


def check_exportable(model: CTCModel) -> None:
    """Refuse a model with a part that ONNX cannot hold; name the part."""
    frontend, encoder = model.frontend, model.encoder
    if not isinstance(frontend, MelFrontend):
        raise InputError(f"ONNX: a {type(frontend).__name__} is not exported")
    if isinstance(model, S2SModel):
        raise InputError("ONNX: a model with an attention decoder is not exported")
    if not isinstance(encoder, Encoder):
        raise InputError(f"ONNX: a {type(encoder).__name__} is not exported")
    if encoder.dynamic_chunking is not None:
        raise InputError(
            "ONNX: dynamic chunking is not exported: the number of segments depends on "
            "the audio"
        )
    for block in encoder.blocks:
        if not isinstance(block.mixer, _MIXERS):
            name = type(block.mixer).__name__
            raise InputError(f"ONNX: a {name} is not exported; its scan has no graph")
        if isinstance(getattr(block.mixer, "attention", None), RelativeAttention):
            raise InputError("ONNX: positions relpos are not exported; rope is")
        fast = getattr(block.mixer, "fast", None)
        if fast is not None and fast.mode != "bidirectional":
            raise InputError(
                f"ONNX: fast weights in mode {fast.mode!r} are not exported"
            )


def with_products(model: CTCModel) -> CTCModel:
    """Return a model that computes its spectrum by products; the rest is shared."""
    frontend = copy.copy(model.frontend)
    assert isinstance(frontend, MelFrontend)
    frontend._modules = {**frontend._modules, "mel": MelProducts(frontend.mel)}
    changed = copy.copy(model)
    changed._modules = {**model._modules, "frontend": frontend}
    return changed


def export_module(
    module: nn.Module,
    example: tuple[Tensor, ...],
    output_names: Sequence[str],
    input_names: Sequence[str] | None = None,
    dynamic_shapes: dict[str, Any] | None = None,
) -> ModelProto:
    """Express a module in ONNX, without a trace of this machine.

    Shapes are fixed to the example's, except for ``dynamic_shapes``, see
    `torch.onnx.export`.
    """
    with torch.no_grad(), _quiet(), Rewritten():
        try:
            program = torch.onnx.export(
                module,
                example,
                dynamic_shapes=dynamic_shapes,
                input_names=input_names,
                output_names=output_names,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise InputError(
                f"ONNX cannot hold this model ({_reason(error)})"
            ) from error
    assert program is not None
    # layers have tables of their own, which are equal, as is what is made of them
    _MERGE(program.model)
    return _without_traces(program.model_proto)


class _Whole(nn.Module):
    """A model that takes whole frames, of which `unit` samples are one.

    No length is then divided, which the exporter would reason about for minutes.
    """

    def __init__(self, model: CTCModel):
        super().__init__()
        frontend = model.frontend
        assert isinstance(frontend, MelFrontend)
        self.unit = frontend.hop * prod(frontend.strides)
        self.model = with_products(model)

    def forward(self, blocks: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, T, unit) of (B,) samples to log-probabilities and frames."""
        log_probs, lengths = self.model(blocks.flatten(1), lengths)
        return log_probs, lengths


def _count_frames(core: _Whole) -> int:
    """Return more frames than two blocks of attention have, see `window_attention`."""
    layers = core.get_submodule("model.encoder").modules()
    windows = (getattr(layer, "window", ()) for layer in layers)
    sides = (side for window in windows for side in window if side is not None)
    return 2 * max([_FRAMES, *sides]) + 1


def _without_traces(graph: ModelProto) -> ModelProto:
    """Take out which lines of which files nodes were made of, on this machine."""
    for part in (*graph.graph.node, *graph.graph.value_info, graph.graph, graph):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return graph


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporter warns of, which is its own workings."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _reason(error: BaseException) -> str:
    """Return the first line of the original error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return on_one_line(str(error).split("\n")[0] or type(error).__name__)
