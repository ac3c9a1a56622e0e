"""Keys that rooms of the training take as arguments, by `from_keys`."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache, reduce
from pathlib import Path

ROOT = Path(__file__).parents[1]


@cache
def keys_taken() -> dict[str, frozenset[str]]:
    """Return the keys by the class or function that takes them, and where it does."""
    return {
        f"{module} {made}": frozenset(names) for module, made, names in _read_calls()
    }


def _read_calls() -> Iterator[tuple[str, str, list[str]]]:
    for path in sorted(ROOT.glob("lact_modules/training/**/*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "from_keys":
                made, _, *prefix = map(ast.unparse, node.args)
                make = reduce(getattr, made.split("."), importlib.import_module(module))
                others = {keyword.arg for keyword in node.keywords}
                before = ast.literal_eval(prefix[0]) if prefix else ""
                parameters = inspect.signature(make).parameters
                names = [before + name for name in parameters if name not in others]
                yield module, made, names
