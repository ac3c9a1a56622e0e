"""Files of chunks, WAV and AIFF above all, whose sizes are often wrong."""

import re
from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.decoder import DecodingError
from lact_modules.data.media.signatures import name_kind
from lact_modules.data.media.tags import skip_tags


class _Layout(NamedTuple):
    """How a kind of file puts its chunks."""

    first: int
    """Where the first chunk begins."""
    id_size: int
    size: Struct
    data: bytes
    """Chunk of the samples."""
    file_size_at: int = 0
    """0 if the size of the file is unknown."""
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
    b"RIFF": _Layout(12, 4, _U32_LITTLE, b"data", 4),
    b"RIFX": _Layout(12, 4, _U32_BIG, b"data", 4),
    b"RF64": _Layout(12, 4, _U32_LITTLE, b"data", 4),
    b"BW64": _Layout(12, 4, _U32_LITTLE, b"data", 4),
    b"FORM": _Layout(12, 4, _U32_BIG, b"SSND", 4),
    # Sony's, with names of 16 bytes
    b"riff": _Layout(40, 16, _U64_LITTLE, b"data", 16, True, 8),
    b"caff": _Layout(8, 4, _U64_BIG, b"data", alignment=1),
    # no chunks: where the samples begin, and their size
    b".snd": _Layout(4, 0, _U32_BIG, b""),
}

# What writers put who cannot go back to fill in the size: 0xFFFFFFFF, 0x7FFFF000, ...
_UNKNOWN = 0x7FFF0000
# Bytes by which careless writers are off: the size of a header or two.
_SLACK = 1024
_FILE_SLACK = 8
# Within which the format of the samples is found.
_MAX_HEADER = 4096

# Other codecs' sound in a WAV than PCM and its like looks like a file of frames.
_PLAIN_FORMAT = re.compile(
    rb"fmt .{4}[\x01\x03\x06\x07]\x00|fmt .{4}\xfe\xff", re.DOTALL
)


def find_end(source: ByteRange) -> tuple[int, bool]:
    """Pass over the samples, and what belongs to the file behind them.

    Returns where the file ends, and True if its sizes agree in that; else where the
    samples begin.
    """
    samples = _find_samples(source)
    if samples is None:
        return len(source), True
    ends = [*_chunk_ends(source, samples)]
    for end in ends:
        if end < len(source) and name_kind(source, skip_tags(source, end)):
            return end, True
    if samples.end <= len(source) and not _has_more_samples(source, samples, ends):
        return max(ends), True
    if _is_plain(source, samples):
        return samples.start, False
    return len(source), True


def correct_size(source: ByteRange, warn: Callable[[str], None]) -> ByteRange:
    """Correct a size that leaves samples out, and `warn`.

    Raises DecodingError if the header announces more samples than the file holds.
    """
    samples = _find_samples(source)
    if samples is None:
        # its decoder will refuse it
        return source
    announced, room = samples.end - samples.start, len(source) - samples.start
    if announced - room > _SLACK and announced < _UNKNOWN:
        raise DecodingError(
            f"truncated: {announced - room} of {announced} bytes of samples are missing"
        )
    if announced >= room:
        # libsndfile reads what the file holds
        return source
    if not _has_more_samples(source, samples, [*_chunk_ends(source, samples)]):
        # libsndfile takes all that follows in W64 for samples
        is_w64 = samples.layout.counts_header
        return source.narrow(0, samples.end) if is_w64 else source
    warn(f"its header announces {announced} bytes of samples; all {room} are read")
    return source.narrow(0, head=samples.rewrite(source, room))


class _Samples(NamedTuple):
    """Where the samples are, and where that is written."""

    layout: _Layout
    start: int
    end: int
    size_at: int
    size_struct: Struct
    file_end: int = 0

    def rewrite(self, source: ByteRange, size: int) -> bytes:
        """Return the head of a file with the right size of its samples."""
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
    file_end = _read_file_end(source, layout)
    for name, start, size in _read_chunks(source, layout, position):
        if name.startswith(b"ds64"):
            long_size_at = start + 8
        if name.startswith(layout.data):
            size_at, struct = start - layout.size.size, layout.size
            if long_size_at and size == 0xFFFFFFFF:
                size_at, struct = long_size_at, _U64_LITTLE
                sizes = source.peek(long_size_at - 8, 16)
                file_end, size = Struct("<QQ").unpack(sizes)
                file_end += layout.header_size
            return _Samples(layout, start, start + size, size_at, struct, file_end)
    return None


def _read_file_end(source: ByteRange, layout: _Layout) -> int:
    """Return the file's end by its header; 0 if the header does not have it."""
    size = source.peek(layout.file_size_at, layout.size.size)
    if not layout.file_size_at or len(size) < layout.size.size:
        return 0
    return layout.size.unpack(size)[0] + (0 if layout.counts_header else 8)


def _is_plain(source: ByteRange, samples: _Samples) -> bool:
    """Return whether the samples are PCM or its like."""
    head = source.peek(0, min(samples.start, _MAX_HEADER))
    return b"fmt " not in head or _PLAIN_FORMAT.search(head) is not None


def _has_more_samples(source: ByteRange, samples: _Samples, ends: list[int]) -> bool:
    """Return whether samples follow those that the header announces."""
    end = max(ends)
    if end > samples.layout.align(samples.end):
        # other chunks
        return False
    if samples.end > samples.start and abs(samples.file_end - end) <= _FILE_SLACK:
        return False
    rest = skip_tags(source, end)
    return len(source) - rest > _SLACK and _holds_sound(source, rest)


def _chunk_ends(source: ByteRange, samples: _Samples) -> Iterator[int]:
    """Yield the ends of the samples and of each chunk that follows them."""
    layout = samples.layout
    yield samples.end
    if not layout.data:
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
    """Yield each chunk's name, where its content begins, and the content's size."""
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


def _holds_sound(source: ByteRange, position: int) -> bool:
    """Return whether there is anything but zeros, with which disks are filled up."""
    return next(source.find(rb"[^\x00]", position), None) is not None
