"""Examples of the documentation, to be run as they are printed."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def examples(page, language):
    """Give the code blocks of a page, in their order."""
    fence = rf"^```{language}\n(.*?)^```$"
    return re.findall(fence, (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
