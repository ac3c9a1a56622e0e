"""Files of chunks, WAV and AIFF above all, whose sizes are often wrong."""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.decoder import DecodingError


class _Layout(NamedTuple):
    """How a kind of file puts its chunks."""

    form: bytes
    """How the name of its content begins."""
    first: int
    """Where the first chunk begins."""
    id_size: int
    size: Struct
    data: bytes
    """Chunk of the samples."""
    counts_header: bool = False
    alignment: int = 2

    @property
    def header_size(self) -> int:
        return self.id_size + self.size.size

    def align(self, position: int) -> int:
        return -(-position // self.alignment) * self.alignment


_U32_LITTLE, _U32_BIG = Struct("<I"), Struct(">I")
_U64_LITTLE, _U64_BIG = Struct("<Q"), Struct(">Q")

_LAYOUTS = {
    b"RIFF": _Layout(b"WAVE", 12, 4, _U32_LITTLE, b"data"),
    b"RIFX": _Layout(b"WAVE", 12, 4, _U32_BIG, b"data"),
    b"RF64": _Layout(b"WAVE", 12, 4, _U32_LITTLE, b"data"),
    b"BW64": _Layout(b"WAVE", 12, 4, _U32_LITTLE, b"data"),
    b"FORM": _Layout(b"AIF", 12, 4, _U32_BIG, b"SSND"),
    # Sony's, with names of 16 bytes
    b"riff": _Layout(b"wave", 40, 16, _U64_LITTLE, b"data", True, 8),
    b"caff": _Layout(b"", 8, 4, _U64_BIG, b"data", alignment=1),
    # no chunks: where the samples begin, and their size
    b".snd": _Layout(b"", 4, 0, _U32_BIG, b""),
}

# What writers put who cannot go back to fill in the size: 0xFFFFFFFF, 0x7FFFF000, ...
_UNKNOWN = 0x7FFF0000
# Bytes by which careless writers are off: the size of a header or two.
_SLACK = 1024


def is_chunked(head: bytes) -> bool:
    r"""Tell whether a file is of chunks that hold samples.

    Arguments
    ---------
    head : bytes
        Its first 40, or all.

    Returns
    -------
    bool
        By its name and that of its content.

    Example
    -------
    >>> [is_chunked(b"RIFF\x24\x00\x00\x00" + kind) for kind in (b"WAVE", b"AVI ")]
    [True, False]
    """
    layout = _LAYOUTS.get(head[:4])
    return layout is not None and head[:40].find(layout.form, 8) in (8, 24)


def split_chunked(
    source: ByteRange, tell: Callable[[str], None]
) -> Iterator[ByteRange]:
    """Find the parts of joined files, and mend sizes that leave samples out.

    Arguments
    ---------
    source : ByteRange
        Of which `is_chunked` holds.
    tell : Callable[[str], None]
        Told of a size that was mended.

    Yields
    ------
    ByteRange
        A whole file whose header is right; all of `source` if it is one.

    Raises
    ------
    DecodingError
        If a header announces more than there is.
    """
    start: int | None = 0
    while start is not None:
        rest = source.narrow(start) if start else source
        samples = _find_samples(rest)
        if samples is None:
            # whoever decodes it will refuse it
            yield rest
            return
        end, following = _find_end(rest, samples)
        head = b""
        if end != samples.end:
            size = end - samples.start
            tell(
                f"its header announces {samples.end - samples.start} bytes of samples; "
                f"all {size} are read"
            )
            head = samples.rewrite(rest, size)
        if head or following is not None:
            yield rest.narrow(0, following, head)
        else:
            yield rest
        start = None if following is None else start + following


class _Samples(NamedTuple):
    """Where the samples are, and where that is written."""

    layout: _Layout
    start: int
    end: int
    size_at: int
    size_struct: Struct

    def rewrite(self, source: ByteRange, size: int) -> bytes:
        """Give the head of a file with the right size of its samples."""
        head = bytearray(source.peek(0, self.start))
        if self.layout.counts_header:
            size += self.layout.header_size
        limit = 256**self.size_struct.size - 1
        self.size_struct.pack_into(head, self.size_at, min(size, limit))
        return bytes(head)


def _find_samples(source: ByteRange) -> _Samples | None:
    layout = _LAYOUTS[source.peek(0, 4)]
    if not layout.data:
        start, size = Struct(">II").unpack(source.peek(4, 8).ljust(8, b"\0"))
        return _Samples(layout, start, start + size, 8, layout.size)
    position, long_size_at = layout.first, 0
    for name, start, size in _read_chunks(source, layout, position):
        if name.startswith(b"ds64"):
            long_size_at = start + 8
        if name.startswith(layout.data):
            size_at, struct = start - layout.size.size, layout.size
            if long_size_at and size == 0xFFFFFFFF:
                size_at, struct = long_size_at, _U64_LITTLE
                [size] = struct.unpack(source.peek(size_at, 8))
            return _Samples(layout, start, start + size, size_at, struct)
    return None


def _find_end(source: ByteRange, samples: _Samples) -> tuple[int, int | None]:
    """Give where the samples end, and where another file follows."""
    room = len(source)
    missing = samples.end - room
    if missing > 0:
        announced = samples.end - samples.start
        if missing > _SLACK and announced < _UNKNOWN:
            raise DecodingError(
                f"truncated: {missing} of {announced} bytes of samples are missing"
            )
        # libsndfile reads what is there
        return samples.end, None
    position = samples.end
    for position in _skip_chunks(source, samples):
        if _begins_file(source, position):
            return samples.end, position
    rest = room - position
    is_behind_samples = position <= samples.layout.align(samples.end)
    if is_behind_samples and rest > _SLACK and _holds_sound(source, position):
        return room, None
    return samples.end, None


def _skip_chunks(source: ByteRange, samples: _Samples) -> Iterator[int]:
    """Give the ends of the samples and of each chunk that follows them."""
    layout = samples.layout
    if not layout.data:
        yield samples.end
        return
    # some writers do not fill up an odd size
    for position in (layout.align(samples.end), samples.end):
        yield position
        for name, start, size in _read_chunks(source, layout, position):
            if not (name[:4].isascii() and name[:4].decode().isprintable()):
                break
            if start + size > len(source):
                break
            position = layout.align(start + size)
            yield position


def _read_chunks(
    source: ByteRange, layout: _Layout, position: int
) -> Iterator[tuple[bytes, int, int]]:
    """Give each chunk's name, where its content begins, and the content's size."""
    while (
        len(header := source.peek(position, layout.header_size)) == layout.header_size
    ):
        name = header[: layout.id_size]
        [size] = layout.size.unpack(header[layout.id_size :])
        if layout.counts_header:
            size = max(0, size - layout.header_size)
        start = position + layout.header_size
        yield name, start, size
        position = layout.align(start + size)


def _begins_file(source: ByteRange, position: int) -> bool:
    return is_chunked(source.peek(position, 40))


def _holds_sound(source: ByteRange, position: int) -> bool:
    """Tell whether there is anything but zeros, with which disks are filled up."""
    return next(source.find(rb"[^\x00]", position), None) is not None
