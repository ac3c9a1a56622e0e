"""Codes of utterances, by a teacher, in one file."""

import itertools
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file

Codes = NDArray[np.uint16]
"""Of an utterance's frames, evenly spaced in time."""

MOST_CODES = 2**16


class CodeFile:
    """Codes (N,) by the id of the utterance, below `num_codes`, from `write_codes`."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(
                f"{path}: no such file; lact-asr teacher-codes writes codes"
            )
        try:
            # what NumPy cannot read it takes for a pickle, and of one array it makes
            # nothing to be closed
            with np.load(self.path, allow_pickle=False) as saved:
                ids, ends = saved["ids"].tolist(), saved["ends"].tolist()
                self._codes, self.num_codes = saved["codes"], int(saved["num_codes"])
            parts = zip(ids, itertools.pairwise([0, *ends]), strict=True)
            self._parts = dict(parts)
        except (
            *(KeyError, ValueError, TypeError, AttributeError),
            *(OSError, EOFError, zipfile.BadZipFile),
        ) as error:
            raise InputError(
                f"{path}: not codes of a teacher, or damaged; compute them again, by "
                "lact-asr teacher-codes"
            ) from error

    def __contains__(self, name: str) -> bool:
        return name in self._parts

    def __getitem__(self, name: str) -> Codes:
        if name not in self._parts:
            raise InputError(
                f"{self.path}: has no codes of utterance {name}; compute them over the "
                "manifests that are trained on, by lact-asr teacher-codes"
            )
        start, end = self._parts[name]
        codes: Codes = self._codes[start:end]
        return codes


def write_codes(
    path: str | Path, codes: Mapping[str, NDArray[np.integer]], num_codes: int
) -> None:
    """Write the codes (N,) of utterances, all below `num_codes`, to ``.npz``."""
    each: Iterable[NDArray[np.integer]] = codes.values()
    arrays = [array.astype(np.uint16) for array in each]
    with whole_file(path) as unfinished, open(unfinished, "wb") as stream:
        np.savez(
            stream,
            ids=np.array([*codes], dtype=np.str_),
            ends=np.cumsum([len(array) for array in arrays], dtype=np.int64),
            codes=np.concatenate([np.empty(0, np.uint16), *arrays]),
            num_codes=num_codes,
        )
