"""Find the files that are joined in one: where each begins, and of what kind it is."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from lact_modules.data.media.byte_range import ByteRange, keep_found
from lact_modules.data.media.container import chunks, containers, flac, ogg
from lact_modules.data.media.frame.frames import PARSERS, find_frames_end
from lact_modules.data.media.signatures import find_file, name_kind
from lact_modules.data.media.tags import skip_tags

# Bytes that may follow a file without a warning: line ends, padding.
_SLACK = 32


class Part(NamedTuple):
    """One file of those joined.

    Arguments
    ---------
    kind : str | None
        None if its first bytes do not identify it.
    start : int
        Its first byte, behind tags.
    stop : int
        Behind its last byte, as far as its structure shows.
    end : int
        Where the next begins, or the tag before it.
    gap : int
        Bytes within it that are not of its kind.
    rest : int
        Bytes behind it that are of no known kind.
    """

    kind: str | None
    start: int
    stop: int
    end: int
    gap: int
    rest: int


class _Extent(NamedTuple):
    """How far a file reaches at least."""

    end: int
    is_exact: bool = True
    """What follows and begins no file is none of it."""
    may_hold_frames: bool = False


@keep_found
def find_parts(source: ByteRange) -> list[Part]:
    """Find the files that are joined end to end; most often there is one.

    What lies within a file, such as a picture or the FLAC in an Ogg file, is skipped
    if the structure of the file defines its end.
    """
    parts = [_read_part(source, 0)]
    while (end := parts[-1].end) < len(source) and skip_tags(source, end) < len(source):
        parts.append(_read_part(source, end))
    return parts


def _read_part(source: ByteRange, start: int) -> Part:
    start = position = skip_tags(source, start)
    kind = name_kind(source, start)
    gap = 0
    while True:
        extent = _find_extent(source.narrow(position), kind)
        # what begins like a page or a frame may be cut
        end = min(position + max(1, extent.end), len(source))
        following = _find_next(source, end, not extent.may_hold_frames)
        left = _count_left(source, end, following) if extent.is_exact else 0
        position = skip_tags(source, following)
        if position == len(source) or not _continues(source, position, kind):
            stop = end if extent.is_exact else following
            return Part(kind, start, stop, following, gap, left)
        gap += left


def _find_next(source: ByteRange, end: int, with_frames: bool) -> int:
    """Return where another file begins, or the tag before it; the end if none does."""
    behind_tags = skip_tags(source, end)
    if behind_tags == len(source) or name_kind(source, behind_tags):
        return behind_tags
    return find_file(source, behind_tags, with_frames)


def _count_left(source: ByteRange, end: int, following: int) -> int:
    """Count the bytes between two files that are neither tags nor zeros."""
    start = skip_tags(source, end)
    if following - start <= _SLACK:
        return 0
    first = next(source.find(rb"[^\x00]", start), following)
    return following - start if first < following else 0


def _continues(source: ByteRange, position: int, kind: str | None) -> bool:
    """Return whether the bytes at a position continue the file before, of a kind."""
    if kind is None or name_kind(source, position) != kind:
        return False
    return kind in PARSERS or (kind == "Ogg" and ogg.continues(source, position))


def _find_extent(source: ByteRange, kind: str | None) -> _Extent:
    find = _EXTENTS.get(kind or "")
    # a file whose structure is not known here may hold frames of any kind
    return find(source) if find else _Extent(1, is_exact=False, may_hold_frames=True)


def _chunks(source: ByteRange) -> _Extent:
    return _Extent(*chunks.find_end(source))


def _flac(source: ByteRange) -> _Extent:
    last = flac.find_last_frame(source)
    is_one = skip_tags(source, last.end) == len(source) if last.end else False
    if is_one and next(source.find(flac.SIGNATURE, 1), None) is None:
        return _Extent(last.end)
    return _Extent(flac.find_first_frame(source), is_exact=False)


def _amr(source: ByteRange) -> _Extent:
    # its frames look like anything
    limit = find_file(source, 1, with_frames=False)
    return _Extent(containers.find_amr_end(source.narrow(0, limit)))


def _nist(source: ByteRange) -> _Extent:
    end = containers.find_nist_end(source)
    return _Extent(end) if 0 < end <= len(source) else _samples(source)


def _samples(source: ByteRange) -> _Extent:
    return _Extent(1, is_exact=False)


def _structure(find_end: Callable[[ByteRange], int], source: ByteRange) -> _Extent:
    return _Extent(find_end(source))


_EXTENTS: dict[str, Callable[[ByteRange], _Extent]] = {
    **dict.fromkeys(("WAV", "W64", "AIFF", "CAF", "AU"), _chunks),
    "FLAC": _flac,
    "Ogg": partial(_structure, ogg.find_link_end),
    "Matroska": partial(_structure, containers.find_elements_end),
    "MPEG-4": partial(_structure, containers.find_atoms_end),
    "AVI": partial(_structure, containers.find_chunks_end),
    "AMR": _amr,
    "NIST": _nist,
    **dict.fromkeys(("IRCAM", "PAF", "AVR", "SVX"), _samples),
    **{
        kind: partial(_structure, partial(find_frames_end, parse=parse))
        for kind, parse in PARSERS.items()
    },
}
