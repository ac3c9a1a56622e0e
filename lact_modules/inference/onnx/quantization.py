"""Weights of 8 bits, in products that a CPU does in integers."""

import logging
import os
from pathlib import Path
from typing import Literal

from lact_modules.errors import InputError

Quantization = Literal["int8"]

_PRODUCTS = ("MatMul", "Gemm")


def quantize_graph(path: Path) -> None:
    """Replace a graph by one whose products with weights are done in int8.

    Weights get a scale for each output, what they are multiplied by one for each call
    (dynamic quantization). Convolutions, norms, attention and fast weights stay float.

    Arguments
    ---------
    path : Path
        The graph.

    Raises
    ------
    InputError
        If onnxruntime is not installed.
    """
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise InputError(
            f"{path}: onnxruntime is not installed; pip install 'lact-asr[onnx]'"
        ) from error
    smaller = path.with_name(f"{path.name}.part")
    # it advises on steps that the exporter has done
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(
            path,
            smaller,
            op_types_to_quantize=[*_PRODUCTS],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(before)
    os.replace(smaller, path)
