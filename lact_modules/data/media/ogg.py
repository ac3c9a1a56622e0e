"""Ogg: streams of pages, one after the other (RFC 3533)."""

from collections.abc import Callable, Iterator

from lact_modules.data.media.byte_range import ByteRange, keep_found

SIGNATURE = b"OggS"

_FIRST, _LAST = 2, 4
_HEADER_SIZE = 27
# bytes of a header that tell how many samples end in the page
_GRANULE = slice(6, 14)


def split_ogg(source: ByteRange, tell: Callable[[str], None]) -> Iterator[ByteRange]:
    """Find the links of a chained file, each a stream with headers of its own.

    Arguments
    ---------
    source : ByteRange
        Begins with a page.
    tell : Callable[[str], None]
        Told if the last page is missing.

    Yields
    ------
    ByteRange
        A whole Ogg file; all of `source` if it is one.
    """
    starts, is_complete = _find_links(source)
    if not is_complete:
        tell("ends without its last page: perhaps it was cut off")
    yield from source.split(starts)


@keep_found
def count_last_samples(source: ByteRange) -> int:
    """Count the samples of the last page.

    Arguments
    ---------
    source : ByteRange
        A link, as `split_ogg` gives them.

    Returns
    -------
    int
        At the rate of the header; all samples if there is a single page of them.
    """
    ends = [0]
    for position, _ in _read_pages(source):
        granule = source.peek(position, _HEADER_SIZE)[_GRANULE]
        ends.append(int.from_bytes(granule, "little", signed=True))
    # -1 stands in a page in which no packet ends
    *_, before, last = (0, *(end for end in ends if end >= 0))
    return last - before


@keep_found
def _find_links(source: ByteRange) -> tuple[list[int], bool]:
    """Give where links begin, and whether the last one has its last page."""
    starts, was_first, flags = [0], True, 0
    for position, flags in _read_pages(source):
        is_first = bool(flags & _FIRST)
        # a link begins with the first pages of all its streams
        if is_first and not was_first:
            starts.append(position)
        was_first = is_first
    return starts, bool(flags & _LAST)


def _read_pages(source: ByteRange) -> Iterator[tuple[int, int]]:
    """Give where each whole page begins, and its flags; damage is passed over."""
    position = 0
    while len(header := source.peek(position, _HEADER_SIZE + 255)) >= _HEADER_SIZE:
        if not header.startswith(SIGNATURE):
            found = next(source.find(SIGNATURE, position + 1), None)
            if found is None:
                return
            position = found
            continue
        num_segments = header[_HEADER_SIZE - 1]
        lengths = header[_HEADER_SIZE : _HEADER_SIZE + num_segments]
        end = position + _HEADER_SIZE + num_segments + sum(lengths)
        if end > len(source):
            # the last one is cut
            yield position, header[5] & ~_LAST
            return
        yield position, header[5]
        position = end
