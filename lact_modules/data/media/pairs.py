"""Search many bytes for pairs that may begin something."""

from collections.abc import Iterable

import numpy as np


def pair_table(pairs: Iterable[bytes]) -> np.ndarray:
    """Return a table (65536,) of pairs of bytes, for `find_pairs`."""
    table = np.zeros(1 << 16, bool)
    table[[int.from_bytes(pair, "little") for pair in pairs]] = True
    return table


def find_pairs(data: bytes, table: np.ndarray) -> list[int]:
    """Return the places of pairs, some ten times as fast as regular expressions do."""
    found = []
    for shift in range(min(2, len(data))):
        words = np.frombuffer(data, "<u2", (len(data) - shift) // 2, shift)
        found.append(2 * np.flatnonzero(table[words]) + shift)
    return np.sort(np.concatenate(found)).tolist() if found else []
