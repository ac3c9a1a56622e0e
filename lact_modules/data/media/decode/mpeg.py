"""MPEG audio, MP3 above all: frames one after the other, of unknown number."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from lact_modules.data.media.byte_range import ByteRange, keep_found
from lact_modules.data.media.decode.ffmpeg import FFmpegDecoder
from lact_modules.data.media.decoder import DecodingError
from lact_modules.data.media.frame.frames import walk_frames
from lact_modules.data.media.frame.mpeg_header import MpegHeader, parse_header
from lact_modules.data.media.tags import skip_tags

# Frames lean on those before: 511 bytes of MP3, far less than this.
_RUN_UP_SECONDS = 1.0

# Samples by which decoders of MP3 are late.
_DECODER_DELAY = 529

# Bytes at the beginning in which a first frame is looked for.
_MAX_LEAD = 1 << 17


@dataclass
class _Run:
    """Frames of one kind without a gap, and what a Xing header declares of them.

    `announced`, frames, is -1 without such a header.
    """

    start: int
    header: MpegHeader
    places: "array[int]" = field(default_factory=partial(array, "q"))
    end: int = 0
    announced: int = -1
    delay: int = 0
    padding: int = 0

    @property
    def is_headed(self) -> bool:
        return self.announced >= 0


class MpegDecoder:
    """Frames of one kind, of which it is known where they are."""

    def __init__(self, source: ByteRange, run: _Run):
        self._source, self._run = source, run
        self.rate, self.num_channels = run.header.rate, run.header.channels
        total = len(run.places) * run.header.num_samples - run.delay
        # a run that continues behind what was announced has no end to take off
        is_as_announced = len(run.places) == run.announced
        self.num_samples: int | None = total - is_as_announced * run.padding

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yield blocks (N, C) float32 from a sample on; see `Decoder`."""
        run, per_frame = self._run, self._run.header.num_samples
        left = (self.num_samples or 0) - start
        if left <= 0:
            return
        run_up = -(-int(_RUN_UP_SECONDS * self.rate) // per_frame)
        first = max(0, (start + run.delay) // per_frame - run_up)
        frames = self._source.narrow(run.places[first], run.end)
        decoder = FFmpegDecoder(frames, "mp3")
        for block in decoder.read(start + run.delay - first * per_frame):
            if left <= 0:
                return
            yield block[:left]
            left -= len(block)
        if left > 0:
            raise DecodingError(f"damaged: {left} samples cannot be decoded")


def open_mpeg(source: ByteRange) -> Iterator[MpegDecoder]:
    """Find runs of frames of one kind, also of several files joined with more between.

    Raises DecodingError if there are no frames, or fewer than announced.
    """
    runs = _find_runs(source)
    if not runs:
        raise DecodingError("cannot be read as audio (no frames of MPEG audio)")
    _check_complete(runs)
    for run in runs:
        if run.places:
            yield MpegDecoder(source, run)


def _check_complete(runs: list[_Run]) -> None:
    """Hold the frames from one announcement to the next against it."""
    starts = [i for i, run in enumerate(runs) if run.is_headed]
    for start, end in pairwise([*starts, len(runs)]):
        announced = runs[start].announced
        found = sum(len(run.places) for run in runs[start:end])
        # encoders differ in whether the first frame counts
        if announced - found > 1:
            missing = (announced - found) * runs[start].header.num_samples
            raise DecodingError(f"truncated: {missing} samples are missing")


@keep_found
def _find_runs(source: ByteRange) -> list[_Run]:
    runs = []
    position = _find_frame(source, skip_tags(source, 0), _MAX_LEAD)
    while position is not None:
        runs.append(_read_run(source, position))
        position = _find_frame(source, skip_tags(source, runs[-1].end), None)
    return runs


def _find_frame(source: ByteRange, start: int, limit: int | None) -> int | None:
    """Return where a frame begins that another follows, or the end."""
    for position in source.find(rb"\xff[\xe2-\xff]", start):
        if limit is not None and position > start + limit:
            return None
        header = parse_header(source.peek(position, 4))
        if header is None:
            continue
        end = position + header.size
        following = parse_header(source.peek(end, 4))
        is_last = end == len(source) or source.peek(end, 3) in (b"TAG", b"ID3", b"APE")
        if is_last or (following is not None and following.kind == header.kind):
            return position
    return None


def _read_run(source: ByteRange, position: int) -> _Run:
    frames = walk_frames(source, position, parse_header)
    _, header, data = next(frames)
    run = _Run(position, header)
    if _announces(data, header):
        _read_announcement(run, data)
        run.end = position + header.size
    else:
        run.places.append(position)
        run.end = position + header.size
    for place, frame, data in frames:
        if frame.kind != header.kind or (run.places and _announces(data, frame)):
            break
        run.places.append(place)
        run.end = place + frame.size
    return run


def _announces(data: bytes, header: MpegHeader) -> bool:
    """Return whether a frame holds Xing's or Fraunhofer's announcement, not sound."""
    place = _xing_place(header)
    return data[place : place + 4] in (b"Xing", b"Info") or data[36:40] == b"VBRI"


def _xing_place(header: MpegHeader) -> int:
    side_info = {(True, 1): 17, (True, 2): 32, (False, 1): 9, (False, 2): 17}
    return 4 + side_info[header.is_mpeg1, header.channels]


def _read_announcement(run: _Run, data: bytes) -> None:
    """Read from a first frame how many follow, and what its encoder has added."""
    run.announced = 0
    if data[36:40] == b"VBRI":
        run.announced = int.from_bytes(data[50:54], "big")
        return
    place = _xing_place(run.header) + 8
    flags = int.from_bytes(data[place - 4 : place], "big")
    if flags & 1:
        run.announced = int.from_bytes(data[place : place + 4], "big")
    # frames, bytes, table of contents and quality, each if its flag is set
    place += sum(n for bit, n in enumerate((4, 4, 100, 4)) if flags >> bit & 1)
    if data[place : place + 4] in (b"LAME", b"Lavf", b"Lavc"):
        added = int.from_bytes(data[place + 21 : place + 24], "big")
        run.delay = (added >> 12) + _DECODER_DELAY
        run.padding = max(0, (added & 0xFFF) - _DECODER_DELAY)
