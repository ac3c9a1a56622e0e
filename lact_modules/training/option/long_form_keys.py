"""Keys of the recipes about streams: what fits them, and what goes together."""

from collections.abc import Mapping
from typing import Any

from lact_modules.errors import InputError
from lact_modules.training.dataset.long_form_finetuning import check_epochs
from lact_modules.training.dataset.streams import ORDERS, RANDOM, LongForm
from lact_modules.training.from_keys import from_keys
from lact_modules.training.option.defaults import DEFAULTS, SHARED, Key
from lact_modules.training.option.kind.kinds import maybe, number, one_of, whole

_SECONDS = maybe(number(above=0))

LONG_FORM: dict[str, Key] = {
    "long_form_utterances": Key(
        whole(1, 1000),
        SHARED,
        "maximum number of utterances in a long-form training example; 1: one, or any "
        "number with long_form_seconds",
    ),
    "long_form_seconds": Key(
        _SECONDS,
        SHARED,
        "maximum length of a long-form example; null: max_train_duration",
    ),
    "long_form_order": Key(
        one_of(*ORDERS),
        SHARED,
        "order of its utterances: a speaker's at random, or a recording's as read",
    ),
    "long_form_gap_seconds": Key(
        number(0, 60), SHARED, "silence between two of its utterances"
    ),
    "long_form_finetune_seconds": Key(
        _SECONDS,
        SHARED,
        "long-form fine-tuning, the last epochs: maximum length of its recordings; "
        "null: none",
    ),
    "long_form_finetune_epochs": Key(
        whole(1), SHARED, "epochs of long-form fine-tuning"
    ),
    "long_form_finetune_order": Key(
        one_of(*ORDERS), SHARED, "long_form_order of long-form fine-tuning"
    ),
    "long_form_finetune_lr_scale": Key(
        number(above=0), SHARED, "factor of its peak learning rate"
    ),
}
"""Of every recognizer."""


def check_long_form(values: Mapping[str, Any]) -> None:
    """Refuse keys that nothing would follow."""
    is_joined = from_keys(LongForm, values, "long_form_").is_joined
    finetunes = values["long_form_finetune_seconds"] is not None
    # where the epochs have no key, objects are made first
    if finetunes and "num_epochs" in values:
        check_epochs(values["long_form_finetune_epochs"], values["num_epochs"])
    if values["train_shards"] and (is_joined or finetunes):
        key = "long_form_finetune_seconds" if finetunes else "long_form_utterances"
        key = "long_form_seconds" if values["long_form_seconds"] is not None else key
        raise InputError(
            f"--{key} {values[key]}: shards know neither speakers nor recordings; "
            f"keep it at {DEFAULTS[key] or 'null'}, or train from manifests"
        )
    if is_joined:
        return
    if values["long_form_order"] != RANDOM:
        raise InputError(
            f"--long_form_order {values['long_form_order']}: has no effect alone; set "
            "--long_form_seconds or --long_form_utterances too"
        )
    if values["long_form_gap_seconds"] and not finetunes:
        raise InputError(
            f"--long_form_gap_seconds {values['long_form_gap_seconds']:g}: has no "
            "effect alone; set --long_form_seconds or --long_form_finetune_seconds too"
        )
