"""Keys of the recipes about streams: what fits them, and what goes together."""

from collections.abc import Mapping
from typing import Any

from lact_modules.errors import InputError
from lact_modules.training.dataset.last_stage import check_epochs
from lact_modules.training.dataset.streams import ORDERS, RANDOM, joins_streams
from lact_modules.training.option.defaults import DEFAULTS, SHARED, Key
from lact_modules.training.option.kind.kinds import maybe, number, one_of, whole

_SECONDS = maybe(number(above=0))

STREAMS: dict[str, Key] = {
    "stream_utterances": Key(
        whole(1, 1000),
        SHARED,
        "maximum number of utterances in a long-form training example; 1: one, or any "
        "number with stream_seconds",
    ),
    "stream_seconds": Key(
        _SECONDS,
        SHARED,
        "maximum length of a long-form example; null: max_train_duration",
    ),
    "stream_order": Key(
        one_of(*ORDERS),
        SHARED,
        "order of its utterances: a speaker's at random, or a recording's as read",
    ),
    "stream_gap_seconds": Key(
        number(0, 60), SHARED, "silence between two of its utterances"
    ),
    "last_stage_seconds": Key(
        _SECONDS,
        SHARED,
        "maximum length of recordings in the last stage; null: no last stage",
    ),
    "last_stage_epochs": Key(whole(1), SHARED, "epochs of the last stage"),
    "last_stage_order": Key(one_of(*ORDERS), SHARED, "stream_order of the last stage"),
    "last_stage_lr_scale": Key(
        number(above=0), SHARED, "factor of its peak learning rate"
    ),
}
"""Of every recognizer."""


def check_streams(values: Mapping[str, Any]) -> None:
    """Refuse keys that nothing would follow.

    Arguments
    ---------
    values : Mapping[str, Any]
        Of a recipe, each of its kind: those of `STREAMS`, ``train_shards``, and
        ``num_epochs`` if it has that.

    Raises
    ------
    InputError
        With the key, and what fits.

    Example
    -------
    >>> values = {name: DEFAULTS[name] for name in STREAMS}
    >>> check_streams({**values, "train_shards": None, "stream_order": "reading"})
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: --stream_order reading: has no effect alone; set
    --stream_seconds or --stream_utterances too
    """
    has_last_stage = values["last_stage_seconds"] is not None
    # where the epochs have no key, objects are made first
    if has_last_stage and "num_epochs" in values:
        check_epochs(values["last_stage_epochs"], values["num_epochs"])
    if values["train_shards"] and (joins_streams(values) or has_last_stage):
        key = "last_stage_seconds" if has_last_stage else "stream_utterances"
        key = "stream_seconds" if values["stream_seconds"] is not None else key
        raise InputError(
            f"--{key} {values[key]}: shards know neither speakers nor recordings; "
            f"keep it at {DEFAULTS[key] or 'null'}, or train from manifests"
        )
    if joins_streams(values):
        return
    if values["stream_order"] != RANDOM:
        raise InputError(
            f"--stream_order {values['stream_order']}: has no effect alone; set "
            "--stream_seconds or --stream_utterances too"
        )
    if values["stream_gap_seconds"] and not has_last_stage:
        raise InputError(
            f"--stream_gap_seconds {values['stream_gap_seconds']:g}: has no effect "
            "alone; set --stream_seconds or --last_stage_seconds too"
        )
