"""What pages name exists: modules, classes, files, folders, and targets of links."""

import pkgutil
import re

import pytest

from tests.documents import PAGES, ROOT

FOLDERS = "benchmarks|docs|findings|hparams|lact_modules|recipes|scripts|tests|tools"
# what a version's notes name may be gone in a later one
PRESENT = [page for page in PAGES if page.name != "CHANGELOG.md"]


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PRESENT, ids=name_of)
def test_what_a_page_names_exists(page):
    text = page.read_text()
    # a file that the reader writes
    for path in re.findall(r"<!-- makes: (\S+) -->", text):
        module = path.removesuffix(".py").replace("/", r"\.")
        text = re.sub(rf"{re.escape(path)}|{module}(?:\.\w+)*", "", text)
    for name in {*re.findall(r"lact_modules(?:\.[A-Za-z]\w*)+", text)}:
        if not name.endswith((".py", ".md")):
            pkgutil.resolve_name(name)
    for path in re.findall(rf"`((?:{FOLDERS})/[^`<>]*)`", text):
        assert any(ROOT.glob(path.split()[0].rstrip("/"))), path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_have_a_target(page):
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    for path, anchor in re.findall(r"\]\(([^)\s#]*)#?([^)\s]*)\)", text):
        if path.startswith(("http:", "https:", "mailto:")):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if anchor:
            assert anchor in anchors_of(target), f"{path}#{anchor}"


def anchors_of(page):
    """Return the anchors that GitHub and the site make of the headings of a page."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    headings = re.findall(r"(?m)^#+ (.*?)(?: #+)?$", text)
    letters = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in headings)
    return {re.sub(r"\s", "-", heading.strip()) for heading in letters}
