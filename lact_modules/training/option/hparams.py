"""Hyperparameters of a recipe: read, checked, and made, before anything is written."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from lact_modules.errors import InputError
from lact_modules.former_keys import (
    COMMAND_LINE,
    FORMER_KEYS,
    in_present_keys,
    with_present_keys,
)
from lact_modules.training.from_keys import finetuning_of
from lact_modules.training.option.defaults import OPTIONAL, REQUIRED
from lact_modules.training.option.keys import EVERY, defaults_of
from lact_modules.training.option.kind.signatures import check_arguments
from lact_modules.training.option.kind.wording import did_you_mean
from lact_modules.training.option.long_form_keys import LONG_FORM, check_long_form
from lact_modules.training.option.resolving import resolve
from lact_modules.training.option.sizes import with_size
from lact_modules.training.option.sources import check_sources
from lact_modules.training.option.training_keys import Keys
from lact_modules.training.option.trial import reason_of
from lact_modules.training.option.yaml_loader import (
    MakingFault,
    PlainLoader,
    RecipeLoader,
    Unmade,
    key_at,
)


class Settings(NamedTuple):
    """What a recipe is to run with, as plain data.

    ``overrides`` replace or add keys in ``source``; ``values`` of all keys are checked,
    without objects; ``resolved`` is the YAML with references resolved. ``given`` are
    the keys of the command line, ``named`` those of the file too.
    """

    path: Path
    source: str
    overrides: dict[str, Any]
    values: dict[str, Any]
    resolved: str
    keys: Keys
    given: frozenset[str]
    named: frozenset[str]

    def with_changes(self, changes: Mapping[str, Any]) -> "Settings":
        """Set keys to other values, as if the command line did."""
        overrides = {**self.overrides, **changes}
        changed = _read_settings(self.path, self.source, overrides, self.keys)
        return changed._replace(
            given=self.given | changes.keys(), named=self.named | changes.keys()
        )


def load_hparams(
    yaml_file: str | Path, overrides: str | Mapping[str, Any], keys: Keys | None = None
) -> dict[str, Any]:
    """Read a recipe's HyperPyYAML file with overrides, and make its objects."""
    return make_hparams(read_settings(yaml_file, overrides, keys))


def read_settings(
    yaml_file: str | Path, overrides: str | Mapping[str, Any], keys: Keys | None = None
) -> Settings:
    """Read a recipe's HyperPyYAML file with overrides, and make nothing yet.

    Former names of keys are read too, with a warning. The file may have only ``keys``
    and what they refer to, and must have those required; for None, it may have those of
    any recipe, and others.
    """
    path = Path(yaml_file)
    if not path.is_file():
        raise InputError(f"{path}: no such YAML file; see hparams/ beside train.py")
    if isinstance(overrides, str):
        overrides = _read_overrides(overrides)
    try:
        source = in_present_keys(path.read_text(encoding="utf-8"), str(path))
        overrides = with_present_keys(overrides, COMMAND_LINE)
        known_keys = EVERY if keys is None else keys
        overrides = with_size(overrides, path, _mapping_of(source), known_keys)
        return _read_settings(path, source, overrides, keys)
    except InputError:
        raise
    except (
        *(ValueError, TypeError, KeyError, AttributeError, ImportError),
        *(YAMLError, OSError, RecursionError),
    ) as error:
        raise InputError(f"{path}: {reason_of(error)}") from error


def _mapping_of(source: str) -> CommentedMap:
    known = YAML().load(source)
    if not isinstance(known, CommentedMap):
        raise ValueError("not a mapping of hyperparameters")
    return known


def _read_settings(
    path: Path, source: str, overrides: Mapping[str, Any], keys: Keys | None
) -> Settings:
    known = _mapping_of(source)
    known_keys = EVERY if keys is None else keys
    defaults = defaults_of(known_keys)
    required = (n for n, key in known_keys.items() if key.default is REQUIRED)
    _check_names(overrides, defaults | dict.fromkeys(required) | known, known_keys)
    if keys is not None:
        _check_file(path, known, source, keys, overrides)
    missing = {name: defaults[name] for name in defaults if name not in known}
    complete = {**missing, **overrides}
    resolved = resolve(path, source, complete)
    plain = PlainLoader(resolved).get_single_data()
    values = {k: v for k, v in plain.items() if not isinstance(v, Unmade)}
    _check_values(values, known_keys)
    if keys is not None:
        check_sources(values, needs_dev="model" in keys)
        if keys.keys() >= LONG_FORM.keys():
            check_long_form(values)
    check_arguments(YAML().load(resolved))
    given = frozenset(overrides)
    named = given | known.keys()
    return Settings(path, source, complete, values, resolved, known_keys, given, named)


def make_hparams(settings: Settings) -> dict[str, Any]:
    """Make the objects of a recipe."""
    try:
        values = load_hyperpyyaml(settings.resolved, loader=RecipeLoader)
    # an error of a constructor is about the arguments in the YAML file
    except MakingFault as fault:
        tag, line, error = fault.args
        _check_output_folder(settings, error)
        name, made = key_at(settings.resolved, line), tag.rpartition(".")[2]
        raise InputError(f"--{name}: {made}: {reason_of(error)}") from error
    except YAMLError as error:
        raise InputError(f"{settings.path}: {reason_of(error)}") from error
    _check_values(values, settings.keys)
    if finetuning := finetuning_of(values):
        values["schedule"] = finetuning.schedule(values["schedule"])
    return values


def _check_output_folder(settings: Settings, error: Exception) -> None:
    """Name the output folder where an object could not make it, or one in it."""
    if not isinstance(error, OSError) or error.filename is None:
        return
    folder, failed = Path(settings.values["output_folder"]), Path(error.filename)
    if folder.is_relative_to(failed) or failed.is_relative_to(folder):
        raise InputError(
            f"--output_folder {folder}: {failed} cannot be made ({error.strerror}); "
            "name another"
        ) from error


def _read_overrides(text: str) -> dict[str, Any]:
    try:
        return YAML().load(in_present_keys(text, COMMAND_LINE)) or {}
    except YAMLError as error:
        raise InputError(f"command line: {reason_of(error)}") from error


def _check_names(
    overrides: Mapping[str, Any], known: Mapping[str, Any], keys: Keys
) -> None:
    """Find keys that the file lacks; values are checked later."""
    for name, value in overrides.items():
        if name not in known:
            otherwise = "see the file for its keys"
            hint = did_you_mean(str(name), known, otherwise, _about(keys), FORMER_KEYS)
            raise InputError(f"no key {name!r}; {hint}")
        inner = known[name]
        is_plain = isinstance(inner, CommentedMap) and inner.tag.value is None
        if is_plain and isinstance(value, dict) and name not in keys:
            _check_names(value, inner, {})


def _check_file(
    path: Path, known: Mapping[str, Any], source: str, keys: Keys, given: Any
) -> None:
    """Find keys of a file that nothing reads, and those that it must have."""
    referred_to = {*re.findall(r"<(\w+)", source)}
    for name in known:
        if str(name).startswith("__") or name in referred_to:
            continue
        if name not in keys:
            otherwise = "nothing refers to it; delete it"
            hint = did_you_mean(str(name), keys, otherwise, _about(keys), FORMER_KEYS)
            raise InputError(f"{path}: no key {name!r}; {hint}")
        if keys[name].default is OPTIONAL:
            raise InputError(
                f"{path}: {name!r} has no effect: nothing refers to it; delete it, or "
                f"use it as !ref <{name}>"
            )
    for name, key in keys.items():
        if key.default is REQUIRED and name not in known and name not in given:
            raise InputError(
                f"{path}: lacks the key {name!r}; expected {key.kind.expected}"
            )


def _about(keys: Keys) -> Callable[[str], str]:
    """Return a function that describes a key; a file may have other keys too."""
    return lambda name: keys[name].about if name in keys else ""


def _check_values(values: Mapping[str, Any], keys: Keys) -> None:
    for name, value in values.items():
        if name in keys:
            keys[name].kind.check(name, value)
