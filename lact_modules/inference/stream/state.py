"""States of a stream as plain data, to be saved, and read without trust."""

from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from torch import Tensor

from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.decoding.stream.beam import BeamState
from lact_modules.decoding.stream.greedy import GreedyState
from lact_modules.decoding.stream.utterances import UtteranceState
from lact_modules.encoders.block import BlockState
from lact_modules.encoders.stages import InnerState, StagesState
from lact_modules.encoders.streaming import EncoderState
from lact_modules.errors import InputError
from lact_modules.frontends.loudness import LoudnessState
from lact_modules.frontends.normalization import RunningState
from lact_modules.frontends.streaming import FrontendState
from lact_modules.layers.attention import AttentionState
from lact_modules.layers.dynamic_chunking.router import RouterState
from lact_modules.layers.fast_weight_memory import MemoryState
from lact_modules.layers.lact import LaCTState
from lact_modules.ops.ttt.state import Frames, TTTState

_KINDS = {
    kind.__name__: kind
    for kind in (
        *(AttentionState, BeamState, BlockState, EncoderState, Frames),
        *(FrontendState, GreedyState, Hypothesis, InnerState, LaCTState),
        *(LoudnessState, MemoryState, RouterState, RunningState, StagesState),
        *(TTTState, UtteranceState, Word),
    )
}

State = TypeVar("State")

# what no stream reaches, and int64 and float64 can count to
_MAX_COUNT = 2**53


def pack(state: Any) -> Any:
    """Turn a state into dictionaries, lists, tensors and numbers.

    The result is for `torch.save`, and for `torch.load` with ``weights_only=True``.
    """
    name = type(state).__name__
    if name in _KINDS:
        fields = state if isinstance(state, tuple) else vars(state).values()
        return {"kind": name, "fields": [pack(field) for field in fields]}
    if isinstance(state, tuple):
        return {"kind": "tuple", "fields": [pack(part) for part in state]}
    if isinstance(state, list):
        return [pack(part) for part in state]
    if isinstance(state, dict):
        return {"kind": "dict", "fields": {k: pack(v) for k, v in state.items()}}
    return state


def unpack(packed: Any) -> Any:
    """Restore what `pack` has packed."""
    if isinstance(packed, list):
        return [unpack(part) for part in packed]
    if not isinstance(packed, dict):
        return packed
    try:
        kind, fields = packed["kind"], packed["fields"]
        if kind == "dict":
            return {name: unpack(part) for name, part in fields.items()}
        if kind == "tuple":
            return tuple(map(unpack, fields))
        return _make(_KINDS[kind], [unpack(part) for part in fields])
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:
        raise InputError(f"state of a stream: not one of this version ({error})") from (
            error
        )


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value, with all that it holds, fits a type annotation.

    Numbers that no stream has, such as NaN, do not.
    """
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return True
    if kind in (Union, UnionType):
        return any(fits(value, each) for each in inner)
    if kind is float:
        return isinstance(value, float | int) and value == value
    if kind is int:
        return type(value) is int and abs(value) < _MAX_COUNT
    if not isinstance(value, kind):
        return False
    if kind is Tensor:
        return not value.isnan().any()
    if kind is dict:
        name, part = inner
        return all(fits(n, name) and fits(p, part) for n, p in value.items())
    if inner and kind is tuple and inner[-1] is not Ellipsis:
        return len(value) == len(inner) and all(map(fits, value, inner))
    return not inner or all(fits(part, inner[0]) for part in value)


def _make(kind: type[State], fields: list[Any]) -> State:
    state = kind(*fields)
    for (name, hint), field in zip(get_type_hints(kind).items(), fields, strict=False):
        if not fits(field, hint):
            raise TypeError(f"{kind.__name__}.{name}: {type(field).__name__}")
    return state
