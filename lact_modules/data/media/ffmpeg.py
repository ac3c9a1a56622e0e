"""Decode by FFmpeg: phones' and browsers' files, and streams of unknown length."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, cast

import numpy as np

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.decoder import BLOCK, DecodingError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

# Those that hold audio alone or beside video. Others make FFmpeg open files that a
# playlist names, or draw text.
_FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,eac3,flac,flv,gsm,latm,loas,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,tta,voc,w64,wav,wv"
)

# Their headers tell the length of what they hold; those of others are estimates.
_EXACT_FORMATS = ("mov,", "matroska,")
# Seconds of padding that codecs add, and rounding.
_TOLERANCE = 0.25


class FFmpegDecoder:
    """One stream that FFmpeg knows; of several in a file, the one it finds best.

    Arguments
    ---------
    source : ByteRange
        All of it.
    format : str | None
        FFmpeg's name of the container; it looks itself if None.

    Raises
    ------
    DecodingError
        If FFmpeg does not know it, or finds no audio.
    """

    def __init__(
        self,
        source: ByteRange,
        format: str | None = None,
    ):
        self._source, self._format = source, format
        self.num_samples: int | None = None
        # kept for the first reading: opening takes as long as decoding a second
        self._opened: tuple[InputContainer, AudioStream] | None = self._open()
        container, stream = self._opened
        self.rate: int = stream.codec_context.sample_rate
        self.num_channels: int = stream.codec_context.layout.nb_channels
        self.format: str = container.format.name
        self._announced = _announced_seconds(container, stream)

    def read(self, start: int = 0) -> Iterator[np.ndarray]:
        """Give blocks (N, C) float32 from a sample on; see `Decoder`."""
        held, size, position = [], 0, 0
        for samples in self._decode():
            position += len(samples)
            wanted = samples[max(0, start - position + len(samples)) :]
            if len(wanted):
                held.append(wanted)
                size += wanted.size
            if size >= BLOCK // 8:
                yield np.concatenate(held)
                held, size = [], 0
        if held:
            yield np.concatenate(held)
        self.num_samples = position
        missing = self._announced - position / self.rate
        if missing > _TOLERANCE:
            raise DecodingError(f"truncated: {missing:.1f} s are missing")

    def _open(self) -> "tuple[InputContainer, AudioStream]":
        import av

        self._source.seek(0)
        try:
            container = av.open(
                self._source,
                "r",
                format=self._format,
                options={"format_whitelist": _FORMATS},
            )
        except (av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", error)
            raise DecodingError(f"cannot be read as audio ({reason})") from error
        stream = cast("AudioStream | None", container.streams.best("audio"))
        # there is none of a codec that FFmpeg does not know
        context = None if stream is None else stream.codec_context
        if stream is None or context is None or not context.sample_rate:
            container.close()
            raise DecodingError("cannot be read as audio (no sound of a known codec)")
        return container, stream

    def _decode(self) -> Iterator[np.ndarray]:
        """Give what is decoded, (N, C) float32."""
        import av

        container, stream = self._opened or self._open()
        self._opened = None
        # to planes of floats, whatever the codec gives
        converter = av.AudioResampler(format="fltp")
        num_samples = 0
        with container:
            try:
                for frame in chain(container.decode(stream), [None]):
                    for converted in converter.resample(self._checked(frame)):
                        yield _to_array(converted)
                    num_samples += frame.samples if frame else 0
            except (av.FFmpegError, ValueError) as error:
                reason = getattr(error, "strerror", error)
                place = num_samples / self.rate
                raise DecodingError(
                    f"damaged after {place:.1f} s ({reason})"
                ) from error

    def _checked(self, frame: "AudioFrame | None") -> "AudioFrame | None":
        if frame is None:
            return None
        if frame.sample_rate != self.rate:
            raise DecodingError(
                f"its sample rate changes from {self.rate} to {frame.sample_rate} Hz; "
                "convert it to wav or flac"
            )
        # times may have gaps, samples have not
        frame.pts = None
        return frame


def _to_array(frame: "AudioFrame") -> np.ndarray:
    """Give (N, C) of planes of floats, without the copies of `to_ndarray`."""
    planes = [
        np.frombuffer(memoryview(p), np.float32, frame.samples) for p in frame.planes
    ]
    return planes[0][:, None] if len(planes) == 1 else np.stack(planes, axis=1)


def _announced_seconds(container: "InputContainer", stream: "AudioStream") -> float:
    """Tell the length in a header that can be trusted, 0 if there is none."""
    if not container.format.name.startswith(_EXACT_FORMATS):
        return 0.0
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # of all streams
    if container.duration is None or len(container.streams) > 1:
        return 0.0
    return container.duration / 1e6
