"""Sizes of a model: keys that change together, each size in a YAML file of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lact_modules.errors import InputError
from lact_modules.former_keys import with_present_keys
from lact_modules.training.option.keys import defaults_of
from lact_modules.training.option.training_keys import Keys
from lact_modules.training.option.trial import reason_of

_OWN = ("size", "sizes")


def with_size(
    overrides: Mapping[str, Any], path: Path, recipe: Mapping[str, Any], keys: Keys
) -> dict[str, Any]:
    """Put the values of a size beneath those of the command line.

    The command line's ``size`` comes before the file's, whose ``sizes`` is a folder
    relative to it. That becomes null: all values are written out.
    """
    if not keys.keys() >= {*_OWN}:
        return {**overrides}
    for name in _OWN:
        keys[name].kind.check(name, overrides.get(name, recipe.get(name)))
    size = overrides.get("size", recipe.get("size"))
    folder = _folder_of_sizes(overrides, path, recipe)
    # a run's settings name their size, and hold all that it sets
    if size is None or (folder is None and "size" not in overrides):
        return {**overrides, "sizes": None}
    file = _find(size, folder, path)
    values = _read(file)
    _check(values, file, path, recipe, keys)
    return {**values, **overrides, "size": file.stem, "sizes": None}


def sizes_in(folder: Path) -> dict[str, Path]:
    """Find the sizes in a folder, a YAML file for each, sorted by name."""
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def _folder_of_sizes(
    overrides: Mapping[str, Any], path: Path, recipe: Mapping[str, Any]
) -> Path | None:
    """Find the folder: a file's is relative to the file."""
    if "sizes" in overrides:
        given = overrides["sizes"]
        return None if given is None else Path(given)
    return None if recipe.get("sizes") is None else path.parent / recipe["sizes"]


def _find(size: str, folder: Path | None, path: Path) -> Path:
    """Find a size by its name, or its path."""
    if size.endswith((".yaml", ".yml")):
        if not Path(size).is_file():
            raise InputError(f"--size {size}: no such file")
        return Path(size)
    if folder is None:
        raise InputError(
            f"--size {size}: {path} has no sizes; expected the path of a YAML file"
        )
    by_name = sizes_in(folder)
    if size not in by_name:
        there_are = ", ".join(by_name) or f"a name of {folder}, which has none"
        raise InputError(
            f"--size {size}: no size of {path}; expected {there_are}, or the path of a "
            "YAML file"
        )
    return by_name[size]


def _read(file: Path) -> Mapping[str, Any]:
    try:
        values = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (YAMLError, ValueError, OSError, RecursionError) as error:
        raise InputError(f"{file}: {reason_of(error)}") from error
    if not isinstance(values, Mapping):
        raise InputError(f"{file}: expected keys of a recipe with their values")
    return with_present_keys(values, str(file))


def _check(
    values: Mapping[str, Any],
    file: Path,
    path: Path,
    recipe: Mapping[str, Any],
    keys: Keys,
) -> None:
    """Refuse values that the recipe has no keys for, and those that do not fit."""
    known = {*recipe, *defaults_of(keys)} - {*_OWN}
    for name, value in values.items():
        if name not in known:
            raise InputError(
                f"{file}: sets {name!r}, which {path} lacks; delete it here, or let "
                "the recipe have it"
            )
        if isinstance(value, Mapping):
            raise InputError(f"{file}: {name!r} is a mapping; expected a plain value")
        if name in keys:
            try:
                keys[name].kind.check(name, value)
            except InputError as error:
                raise InputError(f"{file}: {error}") from error
