"""Forms in which one word is written: case, Unicode's normal forms, apostrophes."""

import itertools
import unicodedata
from collections.abc import Callable, Collection
from functools import partial

Form = Callable[[str], str]

_CASES: dict[str, Form] = {"upper case": str.upper, "lower case": str.lower}
_UNICODE: dict[str, Form] = {
    form: partial(unicodedata.normalize, form) for form in ("NFC", "NFD", "NFKC")
}
_TYPED, _PRINTED = "'", "\u2019"
_APOSTROPHES: dict[str, Form] = {
    f"apostrophes {_TYPED}": lambda word: word.replace(_PRINTED, _TYPED),
    f"apostrophes {_PRINTED}": lambda word: word.replace(_TYPED, _PRINTED),
}

# More words would not change the answer.
_MOST_WORDS = 5000


def other_forms() -> dict[str, Form]:
    """Return all ways to write words otherwise, by name, the least change first."""
    unchanged: dict[str, Form] = {"": str}
    kinds = [unchanged | kind for kind in (_CASES, _UNICODE, _APOSTROPHES)]
    combined = sorted(
        itertools.product(*(kind.items() for kind in kinds)),
        key=lambda parts: sum(bool(name) for name, _ in parts),
    )
    forms: dict[str, Form] = {}
    for parts in combined[1:]:
        names = " and ".join(name for name, _ in parts if name)
        forms[names] = partial(_apply, [form for _, form in parts])
    return forms


def describe_form(words: Collection[str], fits: Callable[[str], bool]) -> str:
    """Name the form in which words that do not fit would; the first of many are tried.

    Returns the end of a message; empty if no form helps.
    """
    looked_at = [*itertools.islice(words, _MOST_WORDS)]
    best, most = "", 0
    for name, form in other_forms().items():
        count = sum(fits(form(word)) for word in looked_at)
        if count > most:
            best, most = name, count
    return f"; in {best} {most} of {len(looked_at)} would fit" if best else ""


def _apply(forms: Collection[Form], word: str) -> str:
    for form in forms:
        word = form(word)
    return word
