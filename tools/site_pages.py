"""Pages of the documentation site (``make docs``): the repository's, at their paths.

Links between pages are those that work in a checkout. Files that pages link to become
part of the site, which is read without network; a folder becomes a list of its files.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *("*.md", "docs/*.md", "findings/*.md", "results/*.md"),
    # runs below a recipe's results/ may have cards
    *("recipes/*/*/README.md", "recipes/*/*/*/README.md"),
)

REFERENCE = {
    "python": (
        "Python interface",
        [
            "lact_modules.recognizer",
            "lact_modules.inference.streaming",
        ],
    ),
    "encoders": (
        "Encoders",
        [
            "lact_modules.encoders",
            "lact_modules.encoders.block",
            "lact_modules.encoders.layouts",
            "lact_modules.encoders.heads",
        ],
    ),
    "layers": (
        "Layers",
        [
            "lact_modules.layers",
            "lact_modules.layers.dynamic_chunking.layer",
        ],
    ),
    "ops": (
        "Operators",
        [
            "lact_modules.ops",
            "lact_modules.ops.ttt.gate",
        ],
    ),
    "frontends": (
        "Front ends",
        [
            "lact_modules.frontends",
        ],
    ),
    "decoders": (
        "Decoders",
        [
            "lact_modules.decoders",
        ],
    ),
    "adaptation": (
        "Adaptation",
        [
            "lact_modules.adaptation.methods",
            "lact_modules.adaptation.adapter",
        ],
    ),
    "training": (
        "Training",
        [
            "lact_modules.training.schedules",
            "lact_modules.training.muon",
            "lact_modules.training.launch",
        ],
    ),
    "data": (
        "Data",
        [
            "lact_modules.data.audio",
            "lact_modules.data.manifest.manifest",
            "lact_modules.data.corruption",
        ],
    ),
    "speechbrain": (
        "SpeechBrain",
        [
            "lact_modules.integrations.encoder_asr",
            "lact_modules.integrations.streaming_asr",
            "lact_modules.integrations.speechbrain",
        ],
    ),
    "hf": (
        "transformers",
        [
            "lact_modules.hf",
        ],
    ),
    "errors": (
        "Errors",
        [
            "lact_modules.errors",
        ],
    ),
}
"""Pages made of docstrings: title, and modules."""

_LINK = re.compile(r"(?<=\]\()(?!\w+:)[^)\s#]+")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace what is in ``docs_dir`` by the pages, and what they link to."""
    site = Files([file for file in files if file.src_dir != config.docs_dir])

    def add(path: str) -> None:
        if site.get_file_from_path(path) is None:
            urls = config.use_directory_urls
            site.append(File(path, str(ROOT), config.site_dir, urls))

    pages = sorted({page for pattern in PAGES for page in ROOT.glob(pattern)})
    for page in pages:
        add(page.relative_to(ROOT).as_posix())
    add("docs/site.css")
    for target in sorted({target for page in pages for target in _linked(page)}):
        name = target.relative_to(ROOT).as_posix()
        if target.is_file():
            add(name)
        elif not (target / "README.md").is_file():
            inside = sorted(each for each in target.rglob("*") if each.is_file())
            site.append(_listing(config, name, inside))
            for each in inside:
                add(each.relative_to(ROOT).as_posix())
    for name, (title, modules) in REFERENCE.items():
        blocks = "\n".join(f"::: {module}" for module in modules)
        content, path = f"# {title}\n\n{blocks}\n", f"reference/{name}.md"
        site.append(File.generated(config, path, content=content))
    return site


def on_page_markdown(
    markdown: str, *, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Let links to folders lead to the page of the folder."""
    folder = PurePosixPath(page.file.src_uri).parent

    def to_page(link: re.Match[str]) -> str:
        target = ROOT / folder / link[0]
        if not target.is_dir():
            return link[0]
        name = "README.md" if (target / "README.md").is_file() else "index.md"
        return f"{link[0].rstrip('/')}/{name}"

    return _LINK.sub(to_page, markdown)


def _linked(page: Path) -> Iterator[Path]:
    """Return the files and folders of the repository that a page links to."""
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        # a symbolic link is a file of the site as it is named
        target = Path(os.path.normpath(page.parent / link))
        if target.is_relative_to(ROOT) and target.exists():
            yield target


def _listing(config: MkDocsConfig, folder: str, inside: list[Path]) -> File:
    """Make the page of a folder."""
    names = [path.relative_to(ROOT / folder).as_posix() for path in inside]
    lines = "\n".join(f"- [{name}]({name})" for name in names)
    title = PurePosixPath(folder).name
    content = f"---\nsearch:\n  exclude: true\n---\n\n# {title}\n\n{lines}\n"
    return File.generated(config, f"{folder}/index.md", content=content)
