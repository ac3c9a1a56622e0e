"""Sections of docstrings as griffe knows them, which makes the API reference."""

import re
from typing import Any

import griffe


class HouseSections(griffe.Extension):
    """Read ``Arguments`` as ``Parameters``, of a named tuple as ``Attributes``.

    Sphinx's roles become code.
    """

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the sections of an object's docstring."""
        if obj.docstring is None:
            return
        bases = obj.bases if isinstance(obj, griffe.Class) else []
        is_tuple = any(str(base).endswith("NamedTuple") for base in bases)
        names = {
            "Arguments": "Attributes" if is_tuple else "Parameters",
            "Example": "Examples",
        }
        for ours, known in names.items():
            heading = rf"^{ours}\n-{{{len(ours)}}}$"
            underlined = f"{known}\n{'-' * len(known)}"
            value = obj.docstring.value
            obj.docstring.value = re.sub(heading, underlined, value, flags=re.MULTILINE)
        obj.docstring.value = re.sub(r":\w+:`~?", "`", obj.docstring.value)
