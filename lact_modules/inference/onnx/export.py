"""Exports for onnxruntime and sherpa-onnx: a graph, its tokens, and what it was."""

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.data.text.vocabulary import WORD_START
from lact_modules.errors import InputError
from lact_modules.inference.onnx.check import check_graph, check_stream_graph
from lact_modules.inference.onnx.quantization import Quantization, quantize_graph
from lact_modules.inference.stream.chunks import (
    CHUNK_SECONDS,
    LEFT_SECONDS,
    chunk_encoder,
)
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.model_store.export import (
    CONFIG_FILE,
    GRAPH_FILE,
    STREAM_FILE,
    TOKENS_FILE,
    WEIGHTS_FILE,
    export_model,
    load_export,
)
from lact_modules.model_store.trained_model import HYPERPARAMETERS_FILE, TrainedModel

_NEEDED = ("onnx", "onnxscript", "onnxruntime")


def export_to_onnx(
    run_folder: str | Path,
    out_folder: str | Path,
    num_checkpoints: int | None = None,
    force: bool = False,
    quantize: Quantization | None = None,
    streaming: bool = False,
    chunk_seconds: float = CHUNK_SECONDS,
    left_seconds: float = LEFT_SECONDS,
) -> TrainedModel:
    """Write a trained model as a folder for onnxruntime and sherpa-onnx.

    It holds ``model.onnx``, ``tokens.txt`` as sherpa-onnx reads it, and what every
    export holds but its weights, see `export_model`. The graph has been compared with
    the model, see `check_graph`. With ``streaming``, it also holds ``stream.onnx``, a
    step of a stream, see `make_stream_graph`, whose durations are rounded to frames.
    """
    for name in _NEEDED:
        if find_spec(name) is None:
            raise InputError(
                f"ONNX: {name} is not installed; pip install 'lact-asr[onnx-export]'"
            )
    if quantize not in (None, *get_args(Quantization)):
        choices = ", ".join(get_args(Quantization))
        raise InputError(f"quantize {quantize!r}: choose one of {choices}")
    chunks = (chunk_seconds, left_seconds) if streaming else None
    complete = partial(_complete, quantize=quantize, chunks=chunks)
    return export_model(run_folder, out_folder, num_checkpoints, force, complete)


def write_tokens(vocabulary: AnyVocabulary, path: Path) -> None:
    """Write symbols and ids as sherpa-onnx reads them; U+2581 means a space."""
    lines = [
        f"{WORD_START if token == vocabulary.delimiter else token} {number}\n"
        for number, token in enumerate(vocabulary.tokens)
    ]
    path.write_text("".join(lines), encoding="utf-8")


def _complete(
    folder: Path, quantize: Quantization | None, chunks: tuple[float, float] | None
) -> None:
    """Make an export one that holds a graph in the place of weights."""
    # what they import is not there where models only run
    import onnx

    from lact_modules.inference.onnx.graph import make_graph
    from lact_modules.inference.onnx.stream_graph import make_stream_graph

    trained, path = load_export(folder), folder / GRAPH_FILE
    # a model that cannot stream fails before the long export of the whole
    streaming = chunks and StreamingModel(
        trained.model, chunk_encoder(trained.model, *chunks)
    )
    graph = make_graph(trained.model)
    properties = {
        "model_type": "lact_asr_ctc",
        "sample_rate": SAMPLE_RATE,
        "frame_rate": trained.model.frame_rate,
        "vocab_size": len(trained.vocabulary),
        "quantize": quantize or "none",
    }
    onnx.helper.set_model_props(
        graph, {key: str(each) for key, each in properties.items()}
    )
    onnx.save(graph, path)
    difference = check_graph(trained.model, path)
    if streaming:
        onnx.save(make_stream_graph(streaming), folder / STREAM_FILE)
        stream_difference = check_stream_graph(streaming, folder / STREAM_FILE)
        difference = max(difference, stream_difference)
    if quantize is not None:
        for each in folder.glob("*.onnx"):
            quantize_graph(each)
    write_tokens(trained.vocabulary, folder / TOKENS_FILE)
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    config["onnx"] = {"quantize": quantize, "difference": difference}
    text = json.dumps(config, indent=2) + "\n"
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    for name in (WEIGHTS_FILE, HYPERPARAMETERS_FILE):
        (folder / name).unlink()
