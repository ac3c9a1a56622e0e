"""From the keys of a recipe to what a room of the training takes."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lact_modules.training.dataset.long_form_finetuning import LongFormFinetuning

T = TypeVar("T")


def from_keys(make: Callable[..., T], hparams: Any, prefix: str = "", **more: Any) -> T:
    """Make what takes the keys of a recipe by their names.

    So dictionaries of hyperparameters end here: rooms have dataclasses and arguments.

    Arguments
    ---------
    make : Callable[..., T]
        A class or function. Keys that the recipe lacks have its defaults.
    hparams : Any
        Of a recipe: a mapping, or SpeechBrain's namespace of it.
    prefix : str
        What the names of keys have before those of arguments.
    **more : Any
        Arguments that are no keys.

    Returns
    -------
    T
        What it makes.

    Example
    -------
    >>> hparams = {"noise_prob": 0.5, "noise_snr_db": [0, 15], "seed": 1}
    >>> from_keys(lambda prob, snr_db=None, kind="": (prob, kind), hparams, "noise_")
    (0.5, '')
    """
    values = _mapping(hparams)
    names = [name for name in inspect.signature(make).parameters if name not in more]
    found = {n: values[prefix + n] for n in names if prefix + n in values}
    return make(**found, **more)


def finetuning_of(hparams: Any) -> LongFormFinetuning | None:
    """Return the long-form fine-tuning that a recipe ends with, if there is any."""
    counter = _mapping(hparams).get("epoch_counter")
    num_epochs = 0 if counter is None else counter.limit
    return from_keys(
        LongFormFinetuning.of, hparams, "long_form_finetune_", num_epochs=num_epochs
    )


def _mapping(hparams: Any) -> Mapping[str, Any]:
    return hparams if isinstance(hparams, Mapping) else vars(hparams)
