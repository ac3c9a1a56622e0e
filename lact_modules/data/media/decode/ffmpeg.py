"""Decode by FFmpeg: phones' and browsers' files, and streams of unknown length."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import numpy as np

from lact_modules.data.media.byte_range import ByteRange, keep_found
from lact_modules.data.media.decode import packets
from lact_modules.data.media.decode.packets import PacketIndex, index_packets
from lact_modules.data.media.decoder import BLOCK, DecodingError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

# Those that hold audio alone or beside video. Others make FFmpeg open files that a
# playlist names, or draw text.
_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,eac3,flac,flv,gsm,latm,loas,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,tta,voc,w64,wav,wv"
)

# Their headers have the length of what they hold; those of others are estimates.
_EXACT_FORMATS = ("mov,", "matroska,")
# Seconds of padding that codecs add, and rounding.
_TOLERANCE = 0.25


class FFmpegDecoder:
    """One stream that FFmpeg knows; of several in a file, the one it finds best.

    `format` is FFmpeg's name of the container; it looks itself if None.
    """

    def __init__(
        self,
        source: ByteRange,
        format: str | None = None,
    ):
        self._source, self._format = source, format
        self.num_samples: int | None = None
        # kept for the first reading: opening takes as long as decoding a second
        self._opened: tuple[InputContainer, AudioStream] | None
        self._opened = _open(source, format)
        container, stream = self._opened
        self.rate: int = stream.codec_context.sample_rate
        self.num_channels: int = stream.codec_context.layout.nb_channels
        self.format: str = container.format.name
        self._announced = _announced_seconds(container, stream)

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yield blocks (N, C) float32 from a sample on; see `Decoder`.

        C is another from where the channels change.
        """
        held: list[np.ndarray] = []
        position = 0
        for end, samples in self._decode(start):
            position = end
            wanted = samples[max(0, start - end + len(samples)) :]
            is_other = held and held[0].shape[1] != samples.shape[1]
            if held and (is_other or sum(map(np.size, held)) >= BLOCK // 8):
                yield np.concatenate(held)
                held = []
            if len(wanted):
                held.append(wanted)
        if held:
            yield np.concatenate(held)
        self.num_samples = position
        missing = self._announced - position / self.rate
        if missing > _TOLERANCE:
            raise DecodingError(f"truncated: {missing:.1f} s are missing")

    def _decode(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the number of samples so far, and the last of them, (N, C) float32."""
        import av

        is_short = 0 < self._announced <= packets.STRETCH_SECONDS
        is_indexed = self.format.startswith(_EXACT_FORMATS) and not is_short
        index = _index(self._source) if is_indexed else PacketIndex()
        for stretch in range(index.find_stretch(start), index.num_stretches):
            position = index.first_sample(stretch)
            container, stream = self._opened or _open(self._source, self._format)
            self._opened = None
            with container:
                try:
                    read = index.read(container, stream, stretch)
                    for frame in _frames(stream, read):
                        self._check_rate(frame)
                        position += frame.samples
                        yield position, _to_array(frame)
                except (av.FFmpegError, ValueError) as error:
                    raise DecodingError(
                        f"damaged after {position / self.rate:.1f} s "
                        f"({_explain(error)})"
                    ) from error

    def _check_rate(self, frame: "AudioFrame") -> None:
        if frame.sample_rate != self.rate:
            raise DecodingError(
                f"its sample rate changes from {self.rate} to {frame.sample_rate} Hz; "
                "convert it to wav or flac"
            )


@keep_found
def _index(source: ByteRange) -> PacketIndex:
    import av

    # a range of its own, as another container may read on in this one
    container, stream = _open(source.narrow(0), None)
    with container, suppress(av.FFmpegError, ValueError):
        return index_packets(container, stream)
    # damage is reported where it is decoded
    return PacketIndex()


def _open(
    source: ByteRange, format: str | None
) -> "tuple[InputContainer, AudioStream]":
    import av

    source.seek(0)
    try:
        container = av.open(
            source, "r", format=format, options={"format_whitelist": _FORMATS}
        )
    except (av.FFmpegError, ValueError) as error:
        raise DecodingError(f"cannot be read as audio ({_explain(error)})") from error
    stream = cast("AudioStream | None", container.streams.best("audio"))
    # there is none of a codec that FFmpeg does not know
    context = None if stream is None else stream.codec_context
    if stream is None or context is None or not context.sample_rate:
        container.close()
        raise DecodingError("cannot be read as audio (no sound of a known codec)")
    return container, stream


def _frames(
    stream: "AudioStream", read: "Iterable[tuple[Packet, bool]]"
) -> "Iterator[AudioFrame]":
    """Decode packets to planes of floats; return those that are requested."""
    import av

    kind = None
    for packet, is_wanted in read:
        for frame in stream.decode(packet):
            if not is_wanted:
                continue
            # times may have gaps, samples have not
            frame.pts = None
            if kind != (frame.format.name, frame.layout.name, frame.sample_rate):
                kind = (frame.format.name, frame.layout.name, frame.sample_rate)
                converter = av.AudioResampler(format="fltp")
            # gives as many samples at once
            yield from converter.resample(frame)


def _explain(error: Exception) -> str:
    reason = str(getattr(error, "strerror", error))
    # a number is all that FFmpeg has for some
    return "the codec gives up" if reason.startswith("Error number") else reason


def _to_array(frame: "AudioFrame") -> np.ndarray:
    """Return (N, C) of planes of floats, without the copies of `to_ndarray`."""
    planes = [
        np.frombuffer(memoryview(p), np.float32, frame.samples) for p in frame.planes
    ]
    return planes[0][:, None] if len(planes) == 1 else np.stack(planes, axis=1)


def _announced_seconds(container: "InputContainer", stream: "AudioStream") -> float:
    """Return the length in a header that can be trusted, 0 if there is none."""
    if not container.format.name.startswith(_EXACT_FORMATS):
        return 0.0
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # of all streams
    if container.duration is None or len(container.streams) > 1:
        return 0.0
    return container.duration / 1e6
