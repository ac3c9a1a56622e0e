"""Text for language models: plain files and the transcripts of manifests."""

from collections.abc import Iterable
from pathlib import Path

from lact_modules.data.manifest.manifest import MANIFEST_ENDINGS, read_manifest
from lact_modules.data.text.sentences import read_lines
from lact_modules.errors import InputError


def read_sentences(paths: Iterable[str | Path]) -> list[str]:
    """Read sentences from text files (one a line, UTF-8) and from manifests.

    Manifests are told by their ending (``.jsonl``, ``.json``, ``.csv``, ``.tsv``). Both
    may be packed by gzip (``.gz``).

    Arguments
    ---------
    paths : Iterable[str | Path]
        Files in any mixture.

    Returns
    -------
    list[str]
        In the order of the files; blank lines are skipped.

    Raises
    ------
    InputError
        If a file is missing, is not text, or has no sentence.

    Example
    -------
    >>> import os
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "text.txt"
    >>> _ = path.write_text(os.linesep.join(["ONE TWO", "", "TEN"]))
    >>> read_sentences([path])
    ['ONE TWO', 'TEN']
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
