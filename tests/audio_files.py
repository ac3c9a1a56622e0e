"""Audio files as phones, browsers, pipes and careless hands make them."""

import io
from fractions import Fraction

import av
import numpy as np
import soundfile

RATE = 16000

_WRITERS = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3"},
    "aiff": {"format": "AIFF"},
    "au": {"format": "AU"},
    "caf": {"format": "CAF"},
    "w64": {"format": "W64", "subtype": "PCM_16"},
    "rf64": {"format": "RF64", "subtype": "PCM_16"},
    "gsm": {"format": "WAV", "subtype": "GSM610"},
    "nist": {"format": "NIST", "subtype": "PCM_16"},
}

# container, codec, rate, layout
_FFMPEG_WRITERS = {
    "m4a": ("mp4", "aac", RATE, "mono"),
    "aac": ("adts", "aac", RATE, "mono"),
    "aac 32000": ("adts", "aac", 32000, "mono"),
    "aac stereo": ("adts", "aac", RATE, "stereo"),
    "ac3": ("ac3", "ac3", 48000, "mono"),
    "ac3 32000": ("ac3", "ac3", 32000, "mono"),
    "ac3 stereo": ("ac3", "ac3", 48000, "stereo"),
    "webm": ("webm", "libopus", 48000, "mono"),
    "amr": ("amr", "libopencore_amrnb", 8000, "mono"),
    "oga": ("ogg", "flac", RATE, "mono"),
    "mp2": ("mp2", "mp2", RATE, "mono"),
    "flac in matroska": ("matroska", "flac", RATE, "mono"),
    "mp3 in matroska": ("matroska", "libmp3lame", RATE, "mono"),
    "ac3 in matroska": ("matroska", "ac3", 48000, "mono"),
    "alac": ("mp4", "alac", RATE, "mono"),
    "mp3 in wav": ("wav", "libmp3lame", RATE, "mono"),
}


def make_sound(seconds=1.0, rate=RATE, pitch=300.0):
    """Return a tone that swells, (N,) float32, at half of full scale."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(6 * time) * np.sin(2 * np.pi * pitch * time)).astype("f4")


def encode(samples, suffix, rate=RATE, **options):
    """Return the bytes of a file."""
    if suffix in _FFMPEG_WRITERS:
        return _encode_by_ffmpeg(samples, *_FFMPEG_WRITERS[suffix])
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **_WRITERS[suffix], **options)
    return file.getvalue()


def without_xing(mp3):
    """Take the first frame away, which declares how many follow."""
    sync = mp3[:2]
    return mp3[mp3.index(sync, 4) :]


def of_unknown_length(flac):
    """Zero the number of samples, as an encoder leaves it that cannot go back."""
    return with_flac_length(flac, 0)


def with_flac_length(flac, num_samples):
    """Let the header announce another number of samples."""
    field = int.from_bytes(flac[21:26], "big") >> 36 << 36 | num_samples
    return flac[:21] + field.to_bytes(5, "big") + flac[26:]


def with_size(file, true_size, size, byteorder="little", num_bytes=4):
    """Let the header announce another size of the samples, in bytes."""
    place = file.index(true_size.to_bytes(num_bytes, byteorder))
    new = size.to_bytes(num_bytes, byteorder)
    return file[:place] + new + file[place + num_bytes :]


def _encode_by_ffmpeg(samples, format, codec, rate, layout):
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()
