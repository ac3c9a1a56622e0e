"""Encoders of one size, made of ``hparams/encoder/``, of this checkout or another."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent
from typing import Any, NamedTuple

import yaml
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from torch import nn

from lact_modules.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "lact_modules"


class System(NamedTuple):
    """An encoder that is measured.

    Arguments
    ---------
    name : str
        What it is called.
    fragment : str
        File of ``hparams/encoder/``, without its ending.
    changes : dict[str, Any]
        Keys of the file with other values.
    checkout : Path
        Folder that has the fragment, and the package that makes it.
    """

    name: str
    fragment: str
    changes: dict[str, Any]
    checkout: Path = ROOT

    @classmethod
    def parse(cls, text: str, checkout: Path | None = None) -> "System":
        """Read ``FRAGMENT``, or ``NAME=FRAGMENT {key: value}``."""
        named, _, rest = text.rpartition("=")
        fragment, brace, changes = rest.partition("{")
        fragment = fragment.strip()
        system = cls(named or fragment, fragment, yaml.safe_load(brace + changes) or {})
        if checkout is not None:
            system = system._replace(
                name=f"{system.name}, {checkout.name}", checkout=checkout
            )
        if not system.path.is_file():
            raise InputError(f"{system.path}: no such file; the system is {text!r}")
        return system

    @property
    def path(self) -> Path:
        """The fragment's."""
        return self.checkout.resolve() / "hparams" / "encoder" / f"{self.fragment}.yaml"

    def build(self, **sizes: int) -> nn.Module:
        """Make the encoder, with sizes wherever the fragment has keys so named."""
        tree = YAML().load(self.path.read_text(encoding="utf-8"))
        changes = yaml.safe_dump(_merge(_where(tree, sizes), self.changes))
        text = f"encoder: !include:{self.path}\n{indent(changes, '    ')}"
        with _imported_from(self.checkout):
            return load_hyperpyyaml(text)["encoder"]


def _where(tree: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return a tree of the sizes alone."""
    found: dict[str, Any] = {key: sizes[key] for key in tree if key in sizes}
    for key, value in tree.items():
        if isinstance(value, Mapping) and (inner := _where(value, sizes)):
            found[key] = inner
    return found


def _merge(tree: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        known = tree.get(key)
        is_deep = isinstance(value, Mapping) and isinstance(known, dict)
        tree[key] = _merge(known, value) if is_deep else value
    return tree


@contextmanager
def _imported_from(checkout: Path) -> Iterator[None]:
    """Import the package from there for a while; modules of both live on."""
    if checkout == ROOT:
        yield
        return
    ours = _take_modules()
    sys.path.insert(0, str(checkout.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(checkout.resolve()))
        _take_modules()
        sys.modules.update(ours)


def _take_modules() -> dict[str, Any]:
    names = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
    return {name: sys.modules.pop(name) for name in names}
