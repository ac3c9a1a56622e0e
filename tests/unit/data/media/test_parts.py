import io
import random

import numpy as np
import pytest

from lact_modules.data.audio import load_audio
from lact_modules.data.measurement import count_samples, measure_audio
from lact_modules.data.media.container.flac import _crc8
from lact_modules.data.media.duration import audio_duration
from lact_modules.data.media.segment import _warn
from lact_modules.errors import InputError
from tests.audio_files import (
    RATE,
    encode,
    make_sound,
    of_unknown_length,
    with_flac_length,
    with_size,
    without_xing,
)

SOUND, OTHER = make_sound(1.3), make_sound(0.9, pitch=500.0)
NUM_BYTES = 2 * len(SOUND)
LIST_CHUNK = b"LIST\x0e\x00\x00\x00INFOISFT\x02\x00\x00\x00x\x00"


@pytest.fixture(autouse=True)
def forget_warnings():
    """Forget of what files it was warned, which all have one name here."""
    _warn.cache_clear()


def named(data):
    stream = io.BytesIO(data)
    stream.name = "a.audio"
    return stream


def load(data, **part):
    return load_audio(named(data), **part).numpy()


def assert_loads(data, *sounds, padding=0):
    """Compare what is read with the original; codecs may pad each sound."""
    expected_samples, loaded = np.concatenate(sounds), load(data)
    assert (
        len(expected_samples)
        <= len(loaded)
        <= len(expected_samples) + padding * len(sounds)
    )
    power, expected = (np.square(each).sum() for each in (loaded, expected_samples))
    assert power == pytest.approx(expected, rel=0.05)
    if not padding:
        assert np.corrcoef(loaded, expected_samples)[0, 1] > 0.98
    duration = len(loaded) / RATE
    assert measure_audio(named(data)) == pytest.approx(duration, abs=1e-4)
    assert audio_duration(named(data)) == pytest.approx(duration, abs=1e-4)
    assert count_samples(named(data)) == len(loaded)


KINDS = [*("wav", "aiff", "au", "caf", "w64", "rf64"), *("flac", "oga"), "webm", "opus"]
KINDS += ["ogg", "mp3"]
PADDED_KINDS = {"m4a": 2500, "aac": 2500, "mp2": 2500}


@pytest.mark.parametrize("kind", [*KINDS, *PADDED_KINDS])
def test_all_kinds_are_read_alone_and_joined(kind):
    first, second = (encode(sound, kind) for sound in (SOUND, OTHER))
    padding = PADDED_KINDS.get(kind, 0)
    assert_loads(first, SOUND, padding=padding)
    assert_loads(first + second, SOUND, OTHER, padding=padding)
    assert_loads(second + first + second, OTHER, SOUND, OTHER, padding=padding)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3"])
def test_joined_files_may_differ_in_rate_and_channels(kind):
    high = make_sound(0.9, rate=48000, pitch=500.0)
    stereo = encode(np.stack([high, high], axis=1), kind, rate=48000)
    mono = encode(SOUND, kind)
    for data, sounds in (
        (mono + stereo, (SOUND, OTHER)),
        (stereo + mono, (OTHER, SOUND)),
    ):
        loaded, expected_samples = load(data), np.concatenate(sounds)
        assert len(loaded) == len(expected_samples)
        assert np.corrcoef(loaded, expected_samples)[0, 1] > 0.98


@pytest.fixture(scope="module")
def varying():
    """Return MP3s of variable bit rate that do not count frames."""
    noise = 0.3 * np.random.default_rng(0).standard_normal(3 * RATE).astype("f4")
    quiet = 0.001 * make_sound(3.0)
    sounds = [np.concatenate(each) for each in ((noise, quiet), (quiet, noise))]
    options = {"bitrate_mode": "VARIABLE", "compression_level": 0.5}
    files = [without_xing(encode(sound, "mp3", **options)) for sound in sounds]
    pairs = zip(files, sounds, strict=True)
    return dict(zip(("loud first", "quiet first"), pairs, strict=True))


@pytest.mark.parametrize("which", ["loud first", "quiet first"])
def test_frames_of_an_mp3_without_their_number_are_counted(varying, which):
    data, sound = varying[which]
    # encoders and decoders add a frame or two
    assert_loads(data, sound, padding=2500)
    assert_loads(data + data, sound, sound, padding=2500)


def id3_tag():
    """Return one that holds what looks like frames, as pictures do."""
    frame_like = bytes(random.Random(0).choices(b"\xff\xfb\xf3\x90\x64\x00", k=20000))
    size = bytes(len(frame_like) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + size + frame_like


@pytest.mark.parametrize(
    "between",
    [id3_tag(), b"TAG" + bytes(125), bytes(3000), b"TAG" + bytes(125) + id3_tag()],
    ids=["id3", "id3v1", "zeros", "both"],
)
def test_tags_between_joined_mp3s_are_no_sound(between):
    first, second = encode(SOUND, "mp3"), encode(OTHER, "mp3")
    assert_loads(between + first + between + second + between, SOUND, OTHER)


def test_a_hole_in_an_mp3_is_reported(caplog):
    sound = np.tile(SOUND, 6)
    data = encode(sound, "mp3")
    damaged = data[:6000] + bytes(1000) + data[7000:]
    with pytest.raises(InputError, match=r"a\.audio: truncated: \d+ samples are"):
        load(damaged)
    loaded = load(without_xing(damaged))
    assert len(sound) / 2 < len(loaded) < len(sound)
    assert "bytes within it are no MP3 and are skipped" in caplog.text


def test_flac_of_unknown_length():
    data = of_unknown_length(encode(SOUND, "flac"))
    assert_loads(data, SOUND)
    assert np.array_equal(load(data), load(encode(SOUND, "flac")))
    assert_loads(data + encode(OTHER, "flac") + data, SOUND, OTHER, SOUND)
    assert_loads(id3_tag() + data, SOUND)
    with pytest.raises(InputError, match="damaged after"):
        load(data[:-1000])


def test_flac_that_holds_more_than_it_announces(caplog):
    data = with_flac_length(encode(SOUND, "flac"), 4096)
    assert_loads(data, SOUND)
    assert "a.audio: its header announces 4096 samples; it holds more" in caplog.text


def test_samples_of_flac_that_look_like_a_frame_are_none(caplog):
    # what cannot be compressed is stored as it is
    noise = np.random.default_rng(0).integers(-(2**15), 2**15, RATE).astype(">i2")
    frame_1000 = bytes.fromhex("fff8c908cfa8")
    header = bytearray(noise.tobytes())
    header[20000:20008] = frame_1000 + bytes([_crc8(frame_1000), 0])
    noise = np.frombuffer(bytes(header), ">i2").astype("i2")
    data = encode(noise, "flac")
    assert frame_1000 in data
    assert np.array_equal(load(data), noise / np.float32(2**15))
    assert not caplog.records


@pytest.mark.parametrize(
    ("kind", "size", "form"),
    [
        ("wav", NUM_BYTES, ("little", 4)),
        ("rf64", NUM_BYTES, ("little", 8)),
        ("w64", NUM_BYTES + 24, ("little", 8)),
        ("aiff", NUM_BYTES + 8, ("big", 4)),
        ("au", NUM_BYTES, ("big", 4)),
    ],
)
def test_sizes_of_a_recorder_that_was_switched_off(kind, size, form, caplog):
    data = encode(SOUND, kind)
    for announced in (0, size // 2):
        caplog.clear()
        _warn.cache_clear()
        assert_loads(with_size(data, size, announced, *form), SOUND)
        assert "bytes of samples; all " in caplog.text
    caplog.clear()
    # a writer that cannot go back
    assert_loads(with_size(data, size, 0xFFFFFFFF, *form), SOUND)
    assert not caplog.text
    with pytest.raises(InputError, match="truncated: 20000 of"):
        load(data[:-20000])


def test_what_stands_behind_the_samples_of_a_wav_is_no_sound():
    data = encode(SOUND, "wav")
    for behind in (LIST_CHUNK, bytes(5000), LIST_CHUNK + b"id3 \x02\x00\x00\x00ab"):
        assert_loads(data + behind, SOUND)
    assert_loads(data + LIST_CHUNK + data, SOUND, SOUND)


@pytest.mark.parametrize("kind", ["ogg", "opus", "oga"])
def test_ogg_without_its_end_is_reported(kind, caplog):
    data = encode(np.tile(SOUND, 12), kind)
    loaded = load(data[: len(data) * 3 // 4])
    assert 0 < len(loaded) < 12 * len(SOUND)
    assert "a.audio: ends without its last page: perhaps it was cut off" in caplog.text


@pytest.mark.parametrize("kind", ["m4a", "webm", "aac", "flac", "mp3"])
def test_truncated_files_are_refused(kind):
    data = encode(np.tile(SOUND, 4), kind)
    with pytest.raises(InputError, match=r"a\.audio: "):
        load(data[: len(data) * 3 // 4])


@pytest.mark.parametrize(
    "text", [b"#EXTM3U\nfile:///etc/hostname\n", b"ffconcat version 1.0\nfile b.wav\n"]
)
def test_what_names_other_files_is_no_audio(text):
    with pytest.raises(InputError, match="cannot be read as audio"):
        load(text)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "mp3", "m4a", "webm"])
@pytest.mark.parametrize("is_joined", [False, True])
def test_a_segment_is_a_slice_of_the_whole(kind, is_joined):
    sound = np.concatenate([make_sound(1.7, pitch=pitch) for pitch in (200, 400, 700)])
    data = encode(sound, kind) + is_joined * encode(OTHER, kind)
    # resampling would begin anew with each segment
    rate = 48000 if kind == "webm" else RATE
    whole = load(data, sample_rate=rate)
    length = len(whole) / rate
    random_number = random.Random(0)
    for _ in range(6):
        start = round(random_number.uniform(0, length - 0.1), 3)
        seconds = round(random_number.uniform(0.05, length - start), 3)
        segment = load(data, sample_rate=rate, offset=start, duration=seconds)
        expected = whole[round(start * rate) :][: round(seconds * rate)]
        np.testing.assert_allclose(segment, expected, atol=1e-5)
    rest = load(data, sample_rate=rate, offset=1.5)
    np.testing.assert_allclose(rest, whole[round(1.5 * rate) :], atol=1e-5)


def test_segment_of_long_pages():
    """Pages of quiet speech last for seconds, and libsndfile errs within the last."""
    rate = 8000
    samples = make_sound(10.0)[: 10 * rate].copy()
    samples[: 9 * rate] *= 1e-3
    data = encode(samples, "ogg", rate, compression_level=1.0)
    whole = load(data, sample_rate=rate)
    for start in np.arange(6.0, 10.0, 0.25):
        segment = load(data, sample_rate=rate, offset=start)
        np.testing.assert_array_equal(segment, whole[round(start * rate) :])


@pytest.mark.parametrize("kind", ["wav", "mp3", "webm"])
def test_a_segment_beyond_the_end_is_refused(kind):
    data = encode(SOUND, kind)
    message = r"a\.audio: the segment of {}at {} s ends behind the file, .* 1\.3 s long"
    for part, text in (
        ({"offset": 1000.0, "duration": 2.0}, ("2 s ", 1000)),
        ({"offset": 1.3}, ("", 1.3)),
        ({"offset": 0.5, "duration": 2.0}, ("2 s ", 0.5)),
    ):
        with pytest.raises(InputError, match=message.format(*text)):
            load(data, **part)
    assert len(load(data, offset=1.0, duration=0.4)) == round(0.3 * RATE)


def test_amr():
    data = encode(SOUND, "amr")
    for file, seconds in ((data, 1.3), (data + data, 2.6)):
        assert measure_audio(named(file)) == pytest.approx(seconds, abs=0.05)
        assert np.abs(load(file)).max() > 0.2


def test_sizes_beyond_any_file_are_refused():
    data = bytearray(encode(SOUND, "w64"))
    place = data.index(b"fmt ") + 16
    data[place : place + 8] = b"\xff" * 8
    with pytest.raises(InputError, match="cannot be read as audio"):
        load(bytes(data))


def test_sound_of_an_unknown_codec_is_refused():
    data = encode(SOUND, "webm").replace(b"A_OPUS", b"A_NONE")
    with pytest.raises(InputError, match=r"no sound of a known codec"):
        load(data)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "opus", "oga", "mp3", "m4a"])
def test_a_file_is_the_same_each_time_it_is_read(kind, tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE).astype(np.float32)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(encode(noise, kind))
    first, *others = (load_audio(path) for _ in range(3))
    assert abs(len(first) - len(noise)) < 3000
    assert all(map(first.equal, others))
