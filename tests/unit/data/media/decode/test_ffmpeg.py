"""Long files that FFmpeg decodes: segments, read from shortly before."""

import io

import av
import numpy as np
import pytest

from lact_modules.data.media.byte_range import ByteRange
from lact_modules.data.media.decode import ffmpeg, packets
from lact_modules.data.media.decode.ffmpeg import FFmpegDecoder
from tests.audio_files import RATE, encode, make_sound

SECONDS = 21.3
# what codecs keep exactly and what they do not, and noise, which some draw anew
SOUND = make_sound(SECONDS) * np.linspace(0.2, 1, round(SECONDS * RATE), dtype="f4")
SOUND += 0.05 * np.random.default_rng(0).normal(size=len(SOUND)).astype("f4")
KINDS = [
    "m4a",
    "webm",
    "alac",
    "flac in matroska",
    "mp3 in matroska",
    "ac3 in matroska",
]


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    monkeypatch.setattr(packets, "STRETCH_SECONDS", 5)


@pytest.fixture(scope="module", params=KINDS)
def data(request):
    return encode(SOUND, request.param)


def decode_at_once(data):
    converter = av.AudioResampler(format="flt")
    with av.open(io.BytesIO(data)) as container:
        frames = [
            converted.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for converted in converter.resample(frame)
        ]
    return np.concatenate(frames)


def read(data, start=0):
    decoder = FFmpegDecoder(ByteRange(io.BytesIO(data)))
    return np.concatenate([*decoder.read(start)])[:, 0], decoder


def test_stretches_are_the_whole(data):
    whole, decoder = read(data)
    expected = decode_at_once(data)
    assert len(whole) == len(expected) == decoder.num_samples
    # but for noise that is drawn at random
    assert np.corrcoef(whole, expected)[0, 1] > 0.99
    first = slice(5 * decoder.rate - 2000)
    np.testing.assert_array_equal(whole[first], expected[first])


def test_a_segment_is_exactly_that_of_the_whole(data):
    whole, decoder = read(data)
    edge = 5 * decoder.rate
    for start in (1, 12345, edge - 1, edge, edge + 1, 3 * edge + 777, len(whole) - 1):
        segment, other = read(data, start)
        np.testing.assert_array_equal(segment, whole[start:])
        assert other.num_samples == len(whole)
    past = FFmpegDecoder(ByteRange(io.BytesIO(data)))
    assert not [*past.read(len(whole))]
    assert past.num_samples == len(whole)


def test_a_segment_is_decoded_from_shortly_before(data, monkeypatch):
    num_decoded, to_array = [], ffmpeg._to_array

    def count(frame):
        num_decoded.append(frame.samples)
        return to_array(frame)

    monkeypatch.setattr(ffmpeg, "_to_array", count)
    decoder = FFmpegDecoder(ByteRange(io.BytesIO(data)))
    assert sum(map(len, decoder.read(18 * decoder.rate))) < 4 * decoder.rate
    assert sum(num_decoded) < 7 * decoder.rate


def test_without_an_index_it_is_decoded_from_the_start(monkeypatch):
    data = encode(SOUND, "webm")
    whole, _ = read(data)
    monkeypatch.setattr(ffmpeg, "index_packets", lambda *_: packets.PacketIndex())
    segment, decoder = read(data, 7777)
    assert decoder.num_samples == len(whole)
    np.testing.assert_allclose(segment, whole[7777:], atol=1e-5)
