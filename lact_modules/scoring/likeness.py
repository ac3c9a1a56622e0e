"""Errors that are none of the recognizer's: words that differ in their form alone."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from lact_modules.scoring.error_rate import score

_FORMS: dict[str, Callable[[str], str]] = {
    "case": str.lower,
    "Unicode's normal form": lambda text: unicodedata.normalize("NFKC", text),
    "apostrophes": lambda text: text.replace("\u2019", "'"),
}


def describe_likeness(references: Sequence[str], hypotheses: Sequence[str]) -> str:
    """Describe the error rate if the form of words did not count.

    The text is empty if it would be the same.
    """
    names = list(_FORMS)
    most = _count_common(references, hypotheses, names)
    if most == _count_common(references, hypotheses, []):
        return ""
    # forms that make no difference are dropped
    for name in _FORMS:
        others = [other for other in names if other != name]
        if _count_common(references, hypotheses, others) == most:
            names = others
    alike = [
        [_form(text, names) for text in texts] for texts in (references, hypotheses)
    ]
    wer = score(*alike, num_bootstrap=0).wer
    return (
        f"words differ in {' and '.join(names)} alone: without that WER {wer:.2f}; "
        "write both alike"
    )


def _count_common(
    references: Sequence[str], hypotheses: Sequence[str], names: Sequence[str]
) -> int:
    """Count the words that reference and hypothesis share, in whatever order."""
    total = 0
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        words = [
            Counter(_form(text, names).split()) for text in (reference, hypothesis)
        ]
        total += (words[0] & words[1]).total()
    return total


def _form(text: str, names: Sequence[str]) -> str:
    for name in names:
        text = _FORMS[name](text)
    return text
