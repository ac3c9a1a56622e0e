"""Weights of 7 bits in 8, in products that a CPU does in integers."""

import logging
from pathlib import Path
from typing import Literal

from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file

Quantization = Literal["int8"]


def quantize_graph(path: Path) -> None:
    """Replace a graph by one whose linear layers are computed in int8.

    Weights get a scale for each output and use 7 of the bits, what they are multiplied
    by gets one for each call (dynamic quantization). Spectrum, convolutions, norms,
    attention and fast weights stay float.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise InputError(
            f"{path}: {error.name} is missing; pip install 'lact-asr[onnx-export]'"
        ) from error
    graph = onnx.load(path)
    # linear layers are Gemm, which becomes MatMul on the way
    others = [node.name for node in graph.graph.node if node.op_type == "MatMul"]
    # it advises on steps that the exporter has done
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with whole_file(path) as smaller:
            quantize_dynamic(
                graph,
                smaller,
                op_types_to_quantize=["MatMul"],
                nodes_to_exclude=others,
                per_channel=True,
                weight_type=QuantType.QInt8,
                # sums of products with all 8 bits overflow on x86 without VNNI
                reduce_range=True,
            )
    finally:
        logging.disable(before)
