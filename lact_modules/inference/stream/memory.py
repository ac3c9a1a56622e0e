"""The carried state of a streaming recognizer, as plain data and back."""

from typing import Any

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.stream.utterances import UtteranceState
from lact_modules.encoders.streaming import EncoderState
from lact_modules.errors import InputError
from lact_modules.frontends.streaming import FrontendState
from lact_modules.inference.stream.model import ModelState, StreamingModel
from lact_modules.inference.stream.state import fits, pack, unpack
from lact_modules.model_store.onnx.stream_model import OnnxStreamingModel

# Of the carried state.
_PARTS = {
    "frontend": FrontendState,
    "encoder": EncoderState,
    "utterance": UtteranceState,
    "ended": tuple[Hypothesis, ...],
}


def pack_memory(
    streaming: StreamingModel | OnnxStreamingModel,
    model: Any,
    utterance: UtteranceState,
    ended: tuple[Hypothesis, ...],
) -> dict[str, Any]:
    """Turn the carried state into plain data, which `torch.save` takes."""
    if not isinstance(streaming, StreamingModel):
        raise InputError(
            f"{streaming.path}: the state of a graph is not kept in files; "
            "use the training run or an export of --format lact"
        )
    return {
        "frontend": pack(model.frontend),
        "encoder": pack(model.encoder),
        "utterance": pack(utterance),
        "ended": pack(ended),
    }


def unpack_memory(
    packed: Any,
) -> tuple[ModelState, UtteranceState, tuple[Hypothesis, ...]]:
    """Restore what `pack_memory` packed, without trusting it."""
    if not isinstance(packed, dict):
        raise InputError("state of a stream: not one of this version")
    parts = {name: unpack(packed.get(name)) for name in _PARTS}
    for name, kind in _PARTS.items():
        if not fits(parts[name], kind):
            raise InputError(f"state of a stream: has no {name} of this version")
    model = ModelState(parts["frontend"], parts["encoder"])
    return model, parts["utterance"], parts["ended"]
