"""Where FFmpeg may begin to decode, so that a segment is the same as in the whole."""

from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from av import AudioStream, Packet
    from av.container import InputContainer

# Codecs remember, and some draw random numbers: only what is decoded from the same
# packet on is the same. So a long file is always decoded in such stretches, each from
# before its beginning, which is far more than the codecs lean on.
STRETCH_SECONDS = 60
"""Shorter files are decoded at once."""
_RUN_UP_SECONDS = 2

# Packets that are decoded to see how many samples each gives.
_NUM_TRIED = 16


class PacketIndex(NamedTuple):
    """Packets of one size; none of a file that has to be decoded from its start.

    Arguments
    ---------
    times : array[int]
        Of each, in the unit of the stream.
    frame_size : int
        Samples of each but the last.
    delay : int
        Samples at the beginning that are not played.
    rate : int
        Hz.
    """

    times: "array[int]" = array("q")
    frame_size: int = 1
    delay: int = 0
    rate: int = 1

    @property
    def num_stretches(self) -> int:
        """At least one."""
        return max(1, -(-len(self.times) // self._per_stretch))

    def find_stretch(self, sample: int) -> int:
        """Return the stretch that a sample is in, the last if it is past the end."""
        number = (sample + self.delay) // (self._per_stretch * self.frame_size)
        return min(number, self.num_stretches - 1)

    def first_sample(self, stretch: int) -> int:
        """Return the first sample of a stretch."""
        return max(0, stretch * self._per_stretch * self.frame_size - self.delay)

    def read(
        self, container: "InputContainer", stream: "AudioStream", stretch: int
    ) -> Iterator["tuple[Packet, bool]"]:
        """Read a stretch's packets, and those before it that it leans on.

        Yields each to be decoded, and whether what it gives belongs to the stretch.
        """
        first = stretch * self._per_stretch
        is_last = stretch + 1 == self.num_stretches
        number = max(0, first - _RUN_UP_SECONDS * self.rate // self.frame_size)
        time = self.times[number] if number else None
        for packet in _read_from(container, stream, time):
            if number >= first + self._per_stretch and not is_last:
                break
            yield packet, number >= first
            number += 1

    @property
    def _per_stretch(self) -> int:
        return max(1, STRETCH_SECONDS * self.rate // self.frame_size)


def _read_from(
    container: "InputContainer", stream: "AudioStream", time: int | None
) -> "Iterator[Packet]":
    """Read packets from that of a time on, from the first if None."""
    import av

    if time is not None:
        # without an index of its own a file is read from its start
        with suppress(av.FFmpegError):
            container.seek(time, stream=stream)
    is_there = time is None
    for packet in container.demux(stream):
        is_there = is_there or packet.pts == time
        if is_there:
            yield packet
    if not is_there:
        raise ValueError("a packet is not there again")


def index_packets(container: "InputContainer", stream: "AudioStream") -> PacketIndex:
    """Read through a file without decoding more than its first packets.

    Empty if packets differ, or their times do not go up.
    """
    times, is_audible, length = array("q"), False, None
    tried: list[int] = []
    lengths: set[int | None] = set()
    for packet in container.demux(stream):
        if not packet.size:
            continue
        # edits discard packets; those before the first audible one are the delay
        is_audible = is_audible or not packet.is_discard
        is_edited = is_audible and packet.is_discard
        if packet.pts is None or is_edited or (times and packet.pts <= times[-1]):
            return PacketIndex()
        if times:
            lengths.add(length)
        length = packet.duration
        times.append(packet.pts)
        if len(tried) < _NUM_TRIED:
            tried.append(sum(frame.samples for frame in packet.decode()))
    frame_size = tried[-1] if len(tried) == _NUM_TRIED else 0
    delay = frame_size * len(tried) - sum(tried)
    is_settled = tried[len(tried) // 2 :] == [frame_size] * (_NUM_TRIED // 2)
    if not frame_size or len(lengths) > 1 or delay < 0 or not is_settled:
        return PacketIndex()
    return PacketIndex(times, frame_size, delay, stream.codec_context.sample_rate)
