"""Code blocks of the documentation, to be checked and run as they are printed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted(DOCS.glob("*.md")),
    *sorted(ROOT.glob("recipes/*/*/README.md")),
    *sorted(ROOT.glob("recipes/*/*/*/README.md")),
    ROOT / "findings" / "README.md",
    ROOT / "results" / "README.md",
)

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^>]+) -->\n+)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block of a page.

    Arguments
    ---------
    page : Path
        It stands in.
    language : str
        Empty for output.
    text : str
        Without the fence.
    reason : str | None
        Why no test runs it: of the comment ``<!-- not run: reason -->`` before it.
    """

    page: Path
    language: str
    text: str
    reason: str | None


def blocks_of(page: Path) -> Iterator[Block]:
    """Return the blocks of a page, in their order."""
    for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        yield Block(page, found["language"], found["text"], found["reason"])


def examples(page: str, language: str) -> list[str]:
    """Return the blocks of a page of docs/ that can be run, in their order."""
    return [
        block.text
        for block in blocks_of(DOCS / page)
        if block.language == language and block.reason is None
    ]
