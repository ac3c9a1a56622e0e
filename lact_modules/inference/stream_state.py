"""States of a stream as plain data, to be saved, and read without trust."""

from typing import Any

from lact_modules.decoding.beam_stream import BeamState
from lact_modules.decoding.greedy_stream import GreedyState
from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.decoding.utterances import UtteranceState
from lact_modules.encoders.block import BlockState
from lact_modules.encoders.stages import InnerState, StagesState
from lact_modules.encoders.streaming import EncoderState
from lact_modules.errors import InputError
from lact_modules.frontends.loudness import LoudnessState
from lact_modules.frontends.normalization import RunningState
from lact_modules.frontends.streaming import FrontendState
from lact_modules.layers.attention import AttentionState
from lact_modules.layers.fast_weight_memory import MemoryState
from lact_modules.layers.lact import LaCTState
from lact_modules.layers.router import RouterState
from lact_modules.ops.ttt_state import Frames, TTTState

_KINDS = {
    kind.__name__: kind
    for kind in (
        *(AttentionState, BeamState, BlockState, EncoderState, Frames),
        *(FrontendState, GreedyState, Hypothesis, InnerState, LaCTState),
        *(LoudnessState, MemoryState, RouterState, RunningState, StagesState),
        *(TTTState, UtteranceState, Word),
    )
}


def pack(state: Any) -> Any:
    """Turn a state into dictionaries, lists, tensors and numbers.

    Arguments
    ---------
    state : Any
        Of an encoder, a front end, a decoder, or any part.

    Returns
    -------
    Any
        For `torch.save`, and for `torch.load` with ``weights_only=True``.

    Example
    -------
    >>> pack(Word("ONE", 0.0, 0.5))
    {'kind': 'Word', 'fields': ['ONE', 0.0, 0.5]}
    >>> unpack(pack((1, Word("ONE", 0.0, 0.5))))
    (1, Word(word='ONE', start=0.0, end=0.5))
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
    """Give back what `pack` has packed.

    Arguments
    ---------
    packed : Any
        What `pack` gives.

    Returns
    -------
    Any
        The state.

    Raises
    ------
    InputError
        If it holds anything else.
    """
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
        return _KINDS[kind](*map(unpack, fields))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"state of a stream: not one of this version ({error})") from (
            error
        )
