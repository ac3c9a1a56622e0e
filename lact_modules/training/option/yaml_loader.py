"""Loaders of recipes: of plain values, and of objects, with faults by key."""

import re
from typing import Any

from ruamel.yaml import YAML, Loader, SafeLoader
from ruamel.yaml.error import YAMLError

from lact_modules.errors import InputError


class Unmade:
    """Replaces a value that is not plain."""


class PlainLoader(SafeLoader):
    """Reads plain values, and makes no objects."""


def _make_tuple(loader: Any, node: Any) -> Any:
    return YAML(typ="safe").load(f"[{loader.construct_scalar(node)[1:-1]}]")


PlainLoader.add_constructor("!tuple", _make_tuple)
# constructors are tried in order of registration: this one takes what is left
PlainLoader.add_multi_constructor("!", lambda *_: Unmade())
PlainLoader.add_implicit_resolver("!tuple", re.compile(r"^\(.*\)$"), first="(")


class MakingFault(Exception):
    """The error of an object's constructor, with its tag and its line."""


class RecipeLoader(Loader):
    """HyperPyYAML's, which reports what could not be made."""

    def construct_object(self, node: Any, deep: bool = True) -> Any:
        """Make an object."""
        try:
            return super().construct_object(node, deep=deep)
        except (InputError, MakingFault, YAMLError):
            raise
        except Exception as error:
            raise MakingFault(node.tag, node.start_mark.line, error) from error


def key_at(text: str, line: int) -> str:
    """Find the top-level key that a line of YAML belongs to."""
    above = text.splitlines()[: line + 1]
    names = [match[1] for each in above if (match := re.match(r"(\w+):", each))]
    return names[-1]
