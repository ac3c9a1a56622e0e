"""Tokenized text on the disk: as much of it as there is, little of it in memory."""

import hashlib
import json
from array import array
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from lact_modules.data.text.sentences import read_lines
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_folder

_TOKENS, _ENDS, _NOTES = "tokens.bin", "ends.npy", "notes.json"
_DTYPE = np.uint16
# Part of the cache's key: raise it when the same texts give other files.
_VERSION = 1


class TokenStore(Dataset):
    """Texts as sequences of tokens, in files that the system reads as needed.

    Items are ``id``, the place of the text in its sources, and ``tokens`` (U,) int64,
    as `write_token_store` wrote them.
    """

    def __init__(self, folder: str | Path):
        folder = Path(folder)
        notes = _read_notes(folder)
        self.num_words: int = notes["num_words"]
        self.num_left_out: int = notes["num_left_out"]
        self._digest: str = notes["key"][:12]
        self._ends = np.load(folder / _ENDS, mmap_mode="r")
        self._tokens = np.memmap(folder / _TOKENS, dtype=_DTYPE, mode="r")

    @property
    def key(self) -> str:
        """Key of these texts."""
        return f"{len(self)} texts of key {self._digest}"

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, (N,) int64."""
        return np.diff(self._ends, prepend=0)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> dict[str, Any]:
        start = self._ends[index - 1] if index > 0 else 0
        tokens = self._tokens[start : self._ends[index]].astype(np.int64)
        return {"id": str(index), "tokens": torch.from_numpy(tokens)}


def write_token_store(
    folder: str | Path,
    vocabulary: SubwordVocabulary,
    texts: Sequence[str],
    files: Sequence[str | Path] = (),
    max_tokens: int | None = None,
) -> None:
    """Tokenize texts into a folder, which appears when it is whole.

    A folder that holds the same already is left alone, another is replaced; files are
    taken for the same by their names, sizes and times of change. `files` have further
    texts, one a line. Texts of no token are skipped, those of more than `max_tokens`
    counted and left out. A vocabulary has at most 65536 tokens.
    """
    folder = Path(folder)
    key = _cache_key(vocabulary, texts, files, max_tokens)
    if (folder / _NOTES).is_file() and _read_notes(folder)["key"] == key:
        return
    with whole_folder(folder, replace=True) as unfinished:
        lengths, num_words, num_left_out = array("I"), 0, 0
        with open(unfinished / _TOKENS, "wb") as stream:
            for text in chain(texts, *map(read_lines, files)):
                ids = vocabulary.encode(text)
                if max_tokens is not None and len(ids) > max_tokens:
                    num_left_out += 1
                elif ids:
                    stream.write(np.array(ids, dtype=_DTYPE).tobytes())
                    lengths.append(len(ids))
                    num_words += len(text.split())
        if not lengths:
            raise InputError(f"{folder.name}: there is no text, or all is too long")
        np.save(unfinished / _ENDS, np.cumsum(lengths, dtype=np.int64))
        notes = {"key": key, "num_words": num_words, "num_left_out": num_left_out}
        (unfinished / _NOTES).write_text(json.dumps(notes), encoding="utf-8")


def _cache_key(
    vocabulary: SubwordVocabulary,
    texts: Sequence[str],
    files: Sequence[str | Path],
    max_tokens: int | None,
) -> str:
    digest = hashlib.sha256(repr((_VERSION, max_tokens)).encode())
    digest.update(vocabulary.model)
    for text in texts:
        digest.update(text.encode() + b"\n")
    for path in map(Path, files):
        if not path.is_file():
            raise InputError(f"{path}: no such text file")
        status = path.stat()
        key = (str(path.resolve()), status.st_size, status.st_mtime_ns)
        digest.update(repr(key).encode())
    return digest.hexdigest()


def _read_notes(folder: Path) -> dict[str, Any]:
    return json.loads((folder / _NOTES).read_text(encoding="utf-8"))
