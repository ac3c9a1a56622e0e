"""How values are written for users, and names near those that they gave."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def shown(value: Any) -> str:
    """Write a value as on a command line, cut where it is long."""
    if isinstance(value, Mapping):
        text = ", ".join(f"{key}: {shown(inner)}" for key, inner in value.items())
        text = f"{{{text}}}"
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(map(shown, value))}]"
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = " ".join(str(value).split()) or "''"
    return text if len(text) <= 60 else f"{text[:57]}..."


def did_you_mean(
    name: str,
    known: Iterable[str],
    otherwise: str = "",
    about: Callable[[str], str] | None = None,
    former: Mapping[str, str] | None = None,
) -> str:
    """Suggest a name in the place of an unknown one.

    If none is near, it returns ``otherwise``, or all names. Of several that are near,
    none by a letter or two, those count that end in the same word, and then the one
    that has most of the name's words, or longer forms of them, in itself or in what it
    is for (``about``). Near a former name, ``former`` has the present one.

    >>> did_you_mean("num_layer", ["num_layers", "dropout"])
    "did you mean 'num_layers'?"
    >>> about = {"test_manifest": "to report on", "valid_manifest": "dev data"}
    >>> did_you_mean("dev_manifest", about, about=about.__getitem__)
    "did you mean 'valid_manifest'?"
    >>> did_you_mean("arms", ["system"], former={"arm": "system"})
    "did you mean 'system'?"
    """
    present = {each: each for each in map(str, known)}
    earlier = {old: new for old, new in (former or {}).items() if new in present}
    called = present | earlier
    near = difflib.get_close_matches(name, called, n=1, cutoff=0.9)
    near = near or difflib.get_close_matches(name, called, n=5)
    if not near:
        return otherwise or f"expected one of {', '.join(present)}"

    parts = _parts(name)

    def likeness(candidate: str) -> tuple[bool, int]:
        words = _parts(f"{candidate} {about(called[candidate]) if about else ''}")
        shared = (any(word.startswith(part) for word in words) for part in parts)
        return _parts(candidate)[-1:] == parts[-1:], sum(shared)

    # of equals the nearest, which is first
    return f"did you mean {called[max(near, key=likeness)]!r}?"


def _parts(words: str) -> list[str]:
    return re.findall("[a-z0-9]+", words.lower())
