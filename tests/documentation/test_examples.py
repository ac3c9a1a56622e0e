"""No Python of the documentation is left unrun without a reason."""

import os
import re

import pytest

from tests.documents import DOCS, PAGES, ROOT, blocks_of

TESTS = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_is_run_by_a_test_of_its_page(page):
    name = re.escape(os.path.relpath(page, DOCS))
    is_run = re.search(rf'examples\("{name}", "python"\)', TESTS)
    for block in blocks_of(page):
        assert block.language != "python" or block.reason or is_run, block.text
