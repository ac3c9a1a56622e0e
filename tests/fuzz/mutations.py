"""Change good files a little, as disks, editors and other programs do."""

import random
import re
from collections.abc import Callable

NUMBERS = (
    *("0", "-1", "1", "2", "0.5", "-0.0", "65536", "1000000000", "2147483648", "1e308"),
    *("-1e308", "NaN", "nan", "inf", "-inf", "Infinity", "1" * 400, "0x10", "1_000"),
    *("null", "true", '"x"', "[]", "{}", "''", "~"),
)
"""In the place of a number."""

STRINGS = ("\x00", "\ufeff", "\t", "\r", "\n", '"', "'", ",", "\\", "/", "..", "~", "#")
STRINGS += (
    "{",
    "[",
    ":",
    "- ",
    "é",
    "e\u0301",
    "\u202e",
    "\U0001d538",
    "ß",
    "|",
    "<s>",
    " ",
)
"""Between two characters."""

Mutation = Callable[[bytes, random.Random], bytes]


def change_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change some bytes, half of the time to those of the header."""
    changed = bytearray(data)
    end = len(data) if rng.random() < 0.5 else min(64, len(data))
    for _ in range(rng.choice([1, 2, 8, 64])):
        changed[rng.randrange(end)] = rng.choice(
            [0, 1, 0x7F, 0x80, 0xFF, rng.getrandbits(8)]
        )
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Leave out the end, the beginning, or a piece."""
    begin, end = sorted(rng.choices(range(len(data) + 1), k=2))
    return rng.choice([data[:begin], data[begin:], data[:begin] + data[end:]])


def blank(data: bytes, rng: random.Random) -> bytes:
    """Set a piece to zero."""
    begin, end = sorted(rng.choices(range(len(data) + 1), k=2))
    return data[:begin] + bytes(end - begin) + data[end:]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """Put a piece, or all of it, in a second time."""
    begin, end = sorted(rng.choices(range(len(data) + 1), k=2))
    return rng.choice([data + data, data[:end] + data[begin:]])


def replace_number(data: bytes, rng: random.Random) -> bytes:
    """Write something else in the place of a number."""
    places = [*re.finditer(rb"-?\d+(\.\d+)?(e[+-]?\d+)?", data)]
    if not places:
        return insert_text(data, rng)
    place = rng.choice(places)
    return data[: place.start()] + rng.choice(NUMBERS).encode() + data[place.end() :]


def replace_word(data: bytes, rng: random.Random) -> bytes:
    """Put one word in the place of another, or misspell it."""
    places = [*re.finditer(rb"\w+", data)]
    if not places:
        return insert_text(data, rng)
    place, other = rng.choice(places), rng.choice(places)
    word = rng.choice(
        [other.group(), place.group()[:-1], place.group().swapcase(), b""]
    )
    return data[: place.start()] + word + data[place.end() :]


def insert_text(data: bytes, rng: random.Random) -> bytes:
    """Write a character that matters to some reader."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice(STRINGS).encode() + data[place:]


def shuffle_lines(data: bytes, rng: random.Random) -> bytes:
    """Leave out, double or move a line."""
    lines = data.splitlines(keepends=True) or [b""]
    line = lines.pop(rng.randrange(len(lines)))
    for _ in range(rng.randrange(3)):
        lines.insert(rng.randrange(len(lines) + 1), line)
    return b"".join(lines)


def nest(data: bytes, rng: random.Random) -> bytes:
    """Put brackets around a piece, few or many."""
    begin, end = sorted(rng.choices(range(len(data) + 1), k=2))
    left, right = rng.choice([(b"[", b"]"), (b'{"a":', b"}"), (b"(", b")")])
    depth = rng.choice([1, 2, 5000])
    return data[:begin] + left * depth + data[begin:end] + right * depth + data[end:]


def recode(data: bytes, rng: random.Random) -> bytes:
    """Write text in another encoding, with other line ends or a byte-order mark."""
    text = data.decode("utf-8", errors="replace")
    return rng.choice(
        [
            text.encode("utf-16"),
            text.encode("latin-1", errors="replace") + b"\xe9",
            text.encode("utf-8-sig"),
            text.replace("\n", "\r\n").encode(),
            text.replace("\n", "\r").encode(),
        ]
    )


BINARY: tuple[Mutation, ...] = (change_bytes, change_bytes, cut, blank, repeat)
TEXT: tuple[Mutation, ...] = (
    *(replace_number, replace_number, replace_word, insert_text, shuffle_lines),
    *(nest, recode, change_bytes, cut, repeat),
)


def mutate(data: bytes, rng: random.Random, is_text: bool) -> bytes:
    """Apply one to three mutations that fit the kind of file."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if data:
            data = rng.choice(TEXT if is_text else BINARY)(data, rng)
    return data
