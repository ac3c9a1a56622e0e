"""Bytes of a file as a file of their own."""

import functools
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO, TypeVar

# What is searched at once; matches are far shorter.
_WINDOW = 1 << 20
_OVERLAP = 64

# Files whose search results are cached.
_MAX_KEPT = 64

Found = TypeVar("Found")


class ByteRange(io.RawIOBase):
    """Read a range of a file that can seek; `head` replaces its first bytes.

    Nobody else reads the stream meanwhile.
    """

    def __init__(
        self,
        stream: BinaryIO,
        start: int = 0,
        end: int | None = None,
        head: bytes = b"",
    ):
        self.stream = stream
        size = stream.seek(0, io.SEEK_END)
        self.start = start
        self.end = size if end is None else end
        self.head = head
        self.is_whole = not head and start == 0 and self.end == size
        self._position = 0

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def identity(self) -> tuple[int, ...] | None:
        """Key of this range while its file does not change; None in memory."""
        try:
            status = os.fstat(self.stream.fileno())
        except OSError:
            return None
        file = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        return (*file, self.start, self.end)

    def narrow(
        self, start: int, end: int | None = None, head: bytes = b""
    ) -> "ByteRange":
        """Return a range within this one; this one's head is not seen."""
        last = self.end if end is None else self.start + end
        return ByteRange(self.stream, self.start + start, last, head)

    def split(self, starts: Sequence[int]) -> Iterator["ByteRange"]:
        """Cut the range at `starts`, of which the first is 0; alone it is this one."""
        for start, end in pairwise([*starts, len(self)]):
            yield self if len(starts) == 1 else self.narrow(start, end)

    def peek(self, start: int, size: int) -> bytes:
        """Read up to `size` bytes from `start` on."""
        self.seek(start)
        return self.read(size) or b""

    def find(self, pattern: bytes, start: int) -> Iterator[int]:
        """Find the places, each once, of a regular expression that matches few bytes.

        A point is any byte.
        """
        search = re.compile(pattern, re.DOTALL)
        for base, window, limit in self.windows(start):
            for match in search.finditer(window):
                if match.start() < limit:
                    yield base + match.start()

    def windows(self, start: int) -> Iterator[tuple[int, bytes, int]]:
        """Read all from a byte on, in windows that overlap a little.

        Yields where a window begins, its bytes, and from which of them on what begins
        is found in the next window.
        """
        while window := self.peek(start, _WINDOW):
            is_last = len(window) < _WINDOW
            limit = len(window) if is_last else _WINDOW - _OVERLAP
            yield start, window, limit
            if is_last:
                return
            start += limit

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: any byte can be read next."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte, and return its place."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self)}
        self._position = max(0, origin[whence] + offset)
        return self._position

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Fill a buffer as far as the range reaches; return the number of bytes."""
        place = self._position
        wanted = max(0, min(len(buffer), len(self) - place))
        # a damaged size may lead further than a file can reach
        if not wanted:
            return 0
        if place < len(self.head):
            data = self.head[place : place + wanted]
        else:
            self.stream.seek(self.start + place)
            data = self.stream.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def keep_found(search: Callable[[ByteRange], Found]) -> Callable[[ByteRange], Found]:
    """Search a file once, though many segments of it are read.

    Answers for the files last searched, unless they have changed, come from memory;
    what the search gives is not to be changed.
    """
    found: dict[tuple[int, ...], Found] = {}

    @functools.wraps(search)
    def look(source: ByteRange) -> Found:
        key = source.identity
        if key is None:
            return search(source)
        # another thread may clear it
        answer = found.get(key)
        if answer is not None:
            return answer
        answer = search(source)
        if len(found) >= _MAX_KEPT:
            found.clear()
        found[key] = answer
        return answer

    return look
