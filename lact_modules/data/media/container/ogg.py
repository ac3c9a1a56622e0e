"""Ogg: streams of pages, one after the other (RFC 3533)."""

from typing import NamedTuple

from lact_modules.data.media.byte_range import ByteRange, keep_found

SIGNATURE = b"OggS\0"

_FIRST, _LAST = 2, 4
_HEADER_SIZE = 27
_MAX_PAGE = _HEADER_SIZE + 255 + 255 * 255
# bytes of a header with the number of samples up to the page's end
_GRANULE = slice(6, 14)


class _Page(NamedTuple):
    size: int
    flags: int
    num_samples: int
    """Up to its end."""


def find_link_end(source: ByteRange) -> int:
    """Pass over the whole pages of one link of a chained file, to a gap if any.

    What follows may be a link, a stream with headers of its own.
    """
    position, was_first = 0, True
    while page := _read_page(source, position):
        # a link begins with the first pages of all its streams
        is_first = bool(page.flags & _FIRST)
        if is_first and not was_first:
            break
        was_first = is_first
        position += page.size
    return position


@keep_found
def count_last_samples(source: ByteRange) -> int:
    """Count the samples of a link's last page; all if a single one has any.

    They are at the header's rate; damage is skipped.
    """
    ends, position = [0], 0
    while True:
        while page := _read_page(source, position):
            # -1 in a page in which no packet ends
            if page.num_samples >= 0:
                ends.append(page.num_samples)
            position += page.size
        found = next(source.find(SIGNATURE, position + 1), None)
        if found is None:
            *_, before, last = (0, *ends)
            return last - before
        position = found


def continues(source: ByteRange, position: int) -> bool:
    """Return whether a page belongs to what came before, not to the first of a link."""
    return not source.peek(position + 5, 1)[0] & _FIRST


def is_complete(source: ByteRange) -> bool:
    """Return whether a link has its last page; tags may follow it."""
    start = max(0, len(source) - 2 * _MAX_PAGE)
    place = source.peek(start, len(source)).rfind(SIGNATURE)
    page = _read_page(source, start + place) if place >= 0 else None
    return page is not None and bool(page.flags & _LAST)


def _read_page(source: ByteRange, position: int) -> _Page | None:
    """Read the head of a whole page, None if there is none."""
    header = source.peek(position, _HEADER_SIZE + 255)
    if len(header) < _HEADER_SIZE or not header.startswith(SIGNATURE):
        return None
    num_segments = header[_HEADER_SIZE - 1]
    lengths = header[_HEADER_SIZE : _HEADER_SIZE + num_segments]
    size = _HEADER_SIZE + num_segments + sum(lengths)
    if position + size > len(source):
        return None
    num_samples = int.from_bytes(header[_GRANULE], "little", signed=True)
    return _Page(size, header[5], num_samples)
