"""N-gram files, checked before KenLM reads them.

KenLM trusts a file's header: counts below 0 end the process, and counts that the file
cannot hold take memory for all of them.
"""

import bz2
import gzip
import lzma
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

from lact_modules.errors import InputError
from lact_modules.language_model.ngram import ORDERS, SPECIAL_WORDS
from lact_modules.native_output import native_stderr_hidden

_BINARY_MAGIC = b"mmap lm http://kheafield.com/code"
# the magic with its version, filled up, and numbers to test the machine with
_BINARY_PREFIX = 56 + struct.calcsize("=3f3IQ")
# order, multiplier of the hash table, kind of model, whether words follow, version
_BINARY_SETTINGS = struct.Struct("@Bfi?I")
_NUM_BINARY_KINDS = 6

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_COUNT = re.compile(rb"ngram\s+(\d+)\s*=\s*(-?\d+)\s*")

# An n-gram takes a probability, a tab, a word and a line's end.
_LEAST_BYTES = 4
# bits of an n-gram in KenLM's densest format
_LEAST_BITS = 2
# No word is so long, but damaged and packed files may have lines of gigabytes.
_MAX_LINE = 1 << 20


class _Packing(NamedTuple):
    magic: bytes
    unpack: Callable[..., Any]
    # bytes that a byte may become
    most: int


_PACKINGS = (
    _Packing(b"\x1f\x8b", gzip.open, 1100),
    _Packing(b"BZh", bz2.open, 50_000),
    _Packing(b"\xfd7zXZ", lzma.open, 10_000),
)


class NgramHeader(NamedTuple):
    """The header of an n-gram file.

    Arguments
    ---------
    counts : tuple[int, ...]
        N-grams of orders 1, 2, ...
    is_binary : bool
        Whether it is KenLM's own format, which hides its words.
    is_plain : bool
        Whether all of KenLM's readers take it as it is.
    """

    counts: tuple[int, ...]
    is_binary: bool = False
    is_plain: bool = True


def read_header(path: str | Path) -> NgramHeader:
    """Read the header of an ARPA file, perhaps packed, or of a KenLM binary.

    Raises InputError unless the file can hold so much.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such language model; make one with lact-asr ngram"
        )
    with open(path, "rb") as stream:
        beginning = stream.read(len(_BINARY_MAGIC))
    if beginning == _BINARY_MAGIC:
        return _read_binary_header(path)
    packing = _find_packing(beginning)
    with _unpacked(path) as stream:
        has_mark = stream.peek(3).startswith(_BYTE_ORDER_MARK)
        counts = _read_counts(path, _lines(path, stream))
    most = path.stat().st_size * (packing.most if packing else 1) // _LEAST_BYTES
    for order, count in enumerate(counts, start=1):
        if not (order == 1) <= count <= most:
            raise InputError(
                f"{path}: says that it has {count} {order}-grams; damaged, take "
                "another copy"
            )
    is_packed = packing is not None and packing.unpack is not gzip.open
    return NgramHeader(counts, is_plain=not (has_mark or is_packed or len(counts) == 1))


def read_words(path: str | Path) -> list[str]:
    """Read the words of an ARPA file, without ``<unk>``, ``<s>`` and ``</s>``.

    Raises InputError if it is not ARPA; KenLM's binaries hide their words.
    """
    path = Path(path)
    if read_header(path).is_binary:
        raise InputError(f"{path}: a KenLM binary hides its words; give a lexicon")
    words: list[str] = []
    in_unigrams = False
    try:
        with _unpacked(path) as stream:
            for line in _lines(path, stream):
                if line.startswith(b"\\"):
                    if in_unigrams:
                        return [word for word in words if word not in SPECIAL_WORDS]
                    in_unigrams = line.strip() == b"\\1-grams:"
                elif in_unigrams and line.strip():
                    # of bytes only ASCII's white space, as KenLM has it
                    words.append(line.split()[1].decode())
    except (UnicodeDecodeError, IndexError) as error:
        raise InputError(f"{path}: damaged language model ({error})") from error
    raise InputError(f"{path}: not a language model in ARPA format, or cut short")


@contextmanager
def opened_for_kenlm(path: str | Path) -> Iterator[str]:
    """Yield the path of a file that KenLM can read; a fault is an InputError.

    KenLM refuses a byte-order mark and models of single words, and flashlight's KenLM
    unpacks gzip alone: of such a file a plain copy is made, while KenLM reads it.
    Nothing that KenLM prints within this context is seen.
    """
    header = read_header(path)
    with ExitStack() as stack:
        plain = str(path)
        if not header.is_plain:
            folder = stack.enter_context(TemporaryDirectory(prefix="lact-asr-"))
            plain = os.path.join(folder, "lm.arpa")
            _write_plain(Path(path), plain, is_unigram=len(header.counts) == 1)
        try:
            with native_stderr_hidden():
                yield plain
        # a UnicodeDecodeError is of KenLM's own words, where they quote the file
        except (UnicodeDecodeError, RuntimeError, OSError, MemoryError) as error:
            if not header.is_binary:
                _check_is_utf8(Path(path))
            reason = (str(error).splitlines() or ["out of memory"])[-1]
            reason = reason.rpartition("Exception. ")[2][-200:]
            raise InputError(f"{path}: KenLM cannot read it ({reason})") from error


def _check_is_utf8(path: Path) -> None:
    with _unpacked(path) as stream:
        for number, line in enumerate(_lines(path, stream), start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}: line {number} is not UTF-8 text ({error})"
                ) from error


def _read_binary_header(path: Path) -> NgramHeader:
    size = path.stat().st_size
    with open(path, "rb") as stream:
        stream.seek(_BINARY_PREFIX)
        settings = stream.read(_BINARY_SETTINGS.size)
        numbers = stream.read(8 * ORDERS[-1])
    if len(settings) == _BINARY_SETTINGS.size:
        order, multiplier, kind, _, _ = _BINARY_SETTINGS.unpack(settings)
        if order in ORDERS and len(numbers) >= 8 * order:
            counts = struct.unpack_from(f"={order}Q", numbers)
            if (
                1 < multiplier < 100
                and kind in range(_NUM_BINARY_KINDS)
                and 8 * counts[0] <= size
                and _LEAST_BITS * sum(counts) <= 8 * size
            ):
                return NgramHeader(counts, is_binary=True)
    raise InputError(f"{path}: damaged or cut KenLM binary; build it again")


def _find_packing(beginning: bytes) -> _Packing | None:
    for packing in _PACKINGS:
        if beginning.startswith(packing.magic):
            return packing
    return None


@contextmanager
def _unpacked(path: Path) -> Iterator[Any]:
    """Open the stream of a file's contents."""
    with open(path, "rb") as stream:
        packing = _find_packing(stream.read(8))
    try:
        with (packing.unpack if packing else open)(path, "rb") as stream:
            yield stream
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        # a disk's faults have a number, those of packed data have none
        if getattr(error, "errno", None) is not None:
            raise
        raise InputError(f"{path}: packed and damaged ({error})") from error


def _lines(path: Path, stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of an ARPA file, without a byte-order mark."""
    line = stream.readline(_MAX_LINE).removeprefix(_BYTE_ORDER_MARK)
    while line:
        if len(line) == _MAX_LINE:
            raise InputError(f"{path}: not a language model; a line never ends")
        yield line
        line = stream.readline(_MAX_LINE)


def _read_counts(path: Path, lines: Iterator[bytes]) -> tuple[int, ...]:
    """Read the lines ``ngram 1=5`` and so on; skip what KenLM skips before them."""
    before = (line.strip() for line in lines)
    first = next((line for line in before if line and not line.startswith(b"#")), b"")
    if first != b"\\data\\":
        raise InputError(f"{path}: not a language model in ARPA format")
    counts: list[int] = []
    for line in lines:
        if not line.strip():
            break
        found = _COUNT.fullmatch(line)
        # KenLM counts in 64 bits
        if found is None or len(found[2]) > 18 or int(found[1][:9]) != len(counts) + 1:
            text = line.decode(errors="replace").strip()[:40]
            raise InputError(f"{path}: damaged; {text!r} stands among its counts")
        counts.append(int(found[2]))
    if not 1 <= len(counts) <= ORDERS[-1]:
        raise InputError(
            f"{path}: has n-grams of {len(counts)} orders; KenLM reads up to "
            f"{ORDERS[-1]}"
        )
    return tuple(counts)


def _write_plain(path: Path, plain: str, is_unigram: bool) -> None:
    with _unpacked(path) as packed, open(plain, "wb") as stream:
        for line in _lines(path, packed):
            # an order without n-grams changes nothing, and KenLM wants two
            if is_unigram and line.strip() == b"\\end\\":
                stream.write(b"\\2-grams:\n\n")
            stream.write(line)
            if is_unigram and _COUNT.fullmatch(line):
                stream.write(b"ngram 2=0\n")
