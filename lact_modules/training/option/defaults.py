"""Defaults of keys that neither a recipe's YAML nor the command line sets."""

from importlib import resources
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from lact_modules.training.option.kind.kinds import Kind

REQUIRED = object()
"""Default of a key that a recipe cannot do without."""

OPTIONAL = object()
"""Marks a key that a YAML file may lack, and that has no default."""

SHARED = object()
"""Default of a key that ``hparams/defaults.yaml`` has it for, see `default_of`."""


def _read() -> dict[str, Any]:
    path = resources.files("lact_modules") / "defaults.yaml"
    defaults: dict[str, Any] = YAML(typ="safe").load(path.read_text("utf-8"))
    return defaults


DEFAULTS = _read()
"""Of the keys of all recipes, by name; not to be changed."""


class Key(NamedTuple):
    """A key of a recipe.

    Arguments
    ---------
    kind : Kind
        What fits.
    default : Any
        Its default; or `SHARED`, `REQUIRED` or `OPTIONAL`.
    about : str
        What it is for, a line.
    """

    kind: Kind
    default: Any
    about: str


def default_of(name: str, key: Key) -> Any:
    """Return the default of a key."""
    return DEFAULTS[name] if key.default is SHARED else key.default
