"""Load an export of a graph; for that onnxruntime is enough."""

from pathlib import Path
from typing import cast

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.model_store.export import CONFIG_FILE, GRAPH_FILE, read_config
from lact_modules.model_store.onnx.model import OnnxModel
from lact_modules.model_store.trained_model import TrainedModel, load_vocabulary


def load_onnx(folder: str | Path) -> TrainedModel:
    """Load what `export_to_onnx` wrote, with an `OnnxModel` in the model's place."""
    folder = Path(folder)
    config, vocabulary = read_config(folder / CONFIG_FILE), load_vocabulary(folder)
    rate = config.get("frame_rate")
    if not isinstance(rate, int | float) or not 0 < rate <= SAMPLE_RATE:
        raise InputError(
            f"{folder / CONFIG_FILE}: frame_rate {rate!r}; export the run again"
        )
    model = OnnxModel(folder / GRAPH_FILE, float(rate))
    if model.num_tokens != len(vocabulary):
        raise InputError(
            f"{folder / vocabulary.file_name}: {len(vocabulary)} tokens, but the graph "
            f"has {model.num_tokens} outputs; use the file of the same export"
        )
    return TrainedModel(cast(CTCModel, model), vocabulary, config["model"])
