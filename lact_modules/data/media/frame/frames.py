"""Streams of frames, one after the other, with nothing before them."""

import functools
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import numpy as np

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.decoder import DecodingError
from lact_modules.data.media.frame import ac3, adts
from lact_modules.data.media.frame.mpeg_header import parse_header
from lact_modules.data.media.pairs import find_pairs, pair_table
from lact_modules.data.media.tags import skip_tags

# Bytes that are read at once, and those of each frame that a walk gives.
_WINDOW = 1 << 18
_FIRST_BYTES = 192


class Frame(Protocol):
    """A frame's header: bytes of the frame, and what is constant in a stream."""

    @property
    def size(self) -> int:
        """Of all of it."""
        ...

    @property
    def kind(self) -> tuple[int, ...]:
        """Within a stream."""
        ...


F = TypeVar("F", bound=Frame, covariant=True)
Parse = Callable[[bytes], F | None]
"""Reads a header, of seven bytes; None if it is none."""

PARSERS: dict[str, Parse[Frame]] = {
    "MP3": parse_header,
    "AAC": adts.parse_header,
    "AC-3": ac3.parse_header,
}
"""By kind of file."""


def walk_frames(
    source: ByteRange, position: int, parse: Parse[F]
) -> Iterator[tuple[int, F, bytes]]:
    """Go from frame to frame until what follows is none, or not whole.

    Yields the place, the header and the first 192 bytes, or all, of each.
    """
    window, base, size = b"", position, len(source)
    while True:
        start = position - base
        if start + _FIRST_BYTES > len(window):
            window, base, start = source.peek(position, _WINDOW), position, 0
        header = parse(window[start : start + 7])
        if header is None or position + header.size > size:
            return
        yield position, header, window[start : start + _FIRST_BYTES]
        position += header.size


def name_frames(source: ByteRange, position: int, at_least: int) -> str | None:
    """Identify the kind of frames at a place: `at_least` so many of one in a row.

    Fewer do if the file ends with them.
    """
    head = source.peek(position, 7)
    for name, parse in PARSERS.items():
        if parse(head) is None:
            continue
        count, kind = 0, None
        for place, frame, _ in walk_frames(source, position, parse):
            if kind not in (None, frame.kind):
                break
            count, kind, end = count + 1, frame.kind, place + frame.size
            if count == at_least:
                return name
        if count and skip_tags(source, end) == len(source):
            return name
    return None


def find_frames(source: ByteRange, start: int) -> Iterator[int]:
    """Find what may be a frame that another follows, among bytes of any kind."""
    for base, window, limit in source.windows(start):
        places = np.array(find_pairs(window, _syncs()), int)
        for place in _followed(window, places[places < limit]):
            head = window[place : place + 7]
            for parse in PARSERS.values():
                frame = parse(head)
                if frame is None:
                    continue
                end = place + frame.size
                # what the window does not hold is seen later
                if end + 7 > len(window) or parse(window[end : end + 7]):
                    yield base + place


def _followed(window: bytes, places: np.ndarray) -> list[int]:
    """Drop what begins like MPEG audio and no sync of its like follows."""
    data = np.frombuffer(window + bytes(3), np.uint8)
    kinds = data[places + 1]
    sizes = _mpeg_sizes()[kinds.astype(int) << 8 | data[places + 2]]
    ends = places + sizes
    is_out = ends + 2 > len(window)
    ends[is_out] = 0
    is_followed = (data[ends] == 0xFF) & (data[ends + 1] == kinds)
    is_mpeg = (data[places] == 0xFF) & (kinds & 0x06 > 0)
    return places[~is_mpeg | (sizes > 0) & (is_out | is_followed)].tolist()


@functools.lru_cache
def _mpeg_sizes() -> np.ndarray:
    """Return the sizes of frames by their second and third byte, 0 if there is none."""
    sizes = np.zeros(1 << 16, int)
    for code in range(0xE000, 1 << 16):
        header = parse_header(bytes([0xFF, code >> 8, code & 0xFF, 0]))
        sizes[code] = header.size if header else 0
    return sizes


@functools.lru_cache
def _syncs() -> np.ndarray:
    """Return a table of the pairs that frames begin with."""
    seconds = [
        byte for byte in range(0xE2, 0x100) if byte & 0x06 or byte & 0xF6 == 0xF0
    ]
    return pair_table([b"\x0b\x77", *(bytes([0xFF, byte]) for byte in seconds)])


def find_frames_end(source: ByteRange, parse: Parse[Frame]) -> int:
    """Pass over frames of any kinds, and the tags between."""
    end, following, is_going_on = 0, 0, True
    while is_going_on:
        is_going_on = False
        for place, frame, _ in walk_frames(source, following, parse):
            end, is_going_on = place + frame.size, True
        following = skip_tags(source, end)
    return end


def split_frames(source: ByteRange, parse: Parse[Frame]) -> Iterator[ByteRange]:
    """Cut a stream where the kind of its frames changes: the rate, the channels.

    Anything may be between them; DecodingError if the last frame is cut off.
    """
    run, end, kind = 0, 0, None
    for place, frame in _all_frames(source, parse):
        if kind is not None and (place != end or frame.kind != kind):
            yield source.narrow(run, end)
            run = place
        elif kind is None:
            run = place
        end, kind = place + frame.size, frame.kind
    if parse(source.peek(end, 7)):
        raise DecodingError("truncated: its last frame is not whole")
    yield source if end - run == len(source) else source.narrow(run, end)


def _all_frames(source: ByteRange, parse: Parse[F]) -> Iterator[tuple[int, F]]:
    """Go through all frames, from each to the next, however far."""
    position: int | None = 0
    while position is not None:
        for place, frame, _ in walk_frames(source, position, parse):
            yield place, frame
            position = place + frame.size
        position = next(
            (
                place
                for place in find_frames(source, position)
                if name_frames(source, place, at_least=2)
            ),
            None,
        )
