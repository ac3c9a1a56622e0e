"""Text for language models: plain files and the transcripts of manifests."""

from collections.abc import Iterable
from pathlib import Path

from lact_modules.data.manifest.manifest import MANIFEST_ENDINGS, read_manifest
from lact_modules.data.text.sentences import read_lines
from lact_modules.errors import InputError


def read_sentences(paths: Iterable[str | Path]) -> list[str]:
    """Read sentences from text files (one a line, UTF-8) and from manifests.

    Manifests are files that end in ``.jsonl``, ``.json``, ``.csv`` or ``.tsv``. Both
    may be packed by gzip (``.gz``). Blank lines are skipped; a file without a sentence
    raises InputError.
    """
    sentences = []
    for path in map(Path, paths):
        is_manifest = path.name.lower().endswith(MANIFEST_ENDINGS)
        lines = _transcripts(path) if is_manifest else read_lines(path)
        found = [line for line in lines if line.strip()]
        if not found:
            raise InputError(f"{path}: has no sentence; give one a line")
        sentences += found
    return sentences


def _transcripts(path: Path) -> list[str]:
    return [utterance.text for utterance in read_manifest(path)]
