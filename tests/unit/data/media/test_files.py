"""Files of different kinds that are joined, and what else stands in a file."""

import itertools
import random

import numpy as np
import pytest

from lact_modules.data.media.segment import _warn
from lact_modules.errors import InputError
from tests.audio_files import (
    RATE,
    encode,
    make_sound,
    of_unknown_length,
    with_size,
    without_xing,
)
from tests.unit.data.media.test_parts import load

SOUND, OTHER = make_sound(0.8), make_sound(0.6, pitch=500.0)
KINDS = ["wav", "aiff", "au", "caf", "w64", "rf64", "flac", "ogg", "opus", "oga"]
KINDS += ["mp3", "mp2", "m4a", "webm", "aac", "amr", "ac3"]
JUNK = random.Random(0).randbytes(3000)


@pytest.fixture(autouse=True)
def forget_warnings():
    _warn.cache_clear()


@pytest.fixture(scope="module")
def files():
    """Return two files of each kind, and the samples of each alone."""
    sounds = {kind: (encode(SOUND, kind), encode(OTHER, kind)) for kind in KINDS}
    return {kind: [(data, load(data)) for data in sounds[kind]] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_other_kinds_may_follow(kind, files, caplog):
    first, first_samples = files[kind][0]
    for other in KINDS:
        second, second_samples = files[other][1]
        samples = load(first + second)
        if kind != other and {kind, other} != {"mp3", "mp2"}:
            assert_joined(samples, first_samples, second_samples)
        else:
            # codecs pad each, unless they continue
            missing = len(first_samples) + len(second_samples) - len(samples)
            assert 0 <= missing <= 2 * 1536
    assert not caplog.records


@pytest.mark.parametrize("seed", range(5))
def test_many_files_may_follow_each_other(seed, files):
    chosen = random.Random(seed).sample(KINDS, 6)
    parts = [files[kind][index % 2] for index, kind in enumerate(chosen)]
    joined = load(b"".join(data for data, _ in parts))
    assert_joined(joined, *(samples for _, samples in parts))
    rest = load(b"".join(data for data, _ in parts), offset=1.2345)
    assert abs(len(joined) - round(1.2345 * RATE) - len(rest)) < 3


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("au", "caf")])
def test_bytes_that_are_no_audio_are_reported(kind, files, caplog):
    data, alone = files[kind][0]
    wav, behind = files["wav"][1]
    for joined, expected in (
        (data + JUNK, alone),
        (data + JUNK + wav, np.concatenate([alone, behind])),
    ):
        caplog.clear()
        _warn.cache_clear()
        np.testing.assert_array_equal(load(joined), expected)
        assert "a.audio: 3000 bytes behind its " in caplog.text
        assert "cannot be decoded and are skipped" in caplog.text
    caplog.clear()
    for tag in (b"TAG" + bytes(125), b"APETAGEX" + bytes(24)):
        np.testing.assert_array_equal(load(data + tag), alone)
    assert not caplog.records


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "m4a", "webm"])
def test_bytes_before_the_sound_are_reported(kind, files, caplog):
    data, alone = files[kind][0]
    np.testing.assert_array_equal(load(b"\1" + JUNK + data), alone)
    assert "3001 bytes before its sound are no audio and are skipped" in caplog.text


@pytest.mark.parametrize("size", [0, len(SOUND), 0xFFFFFFFF, 0x7FFFF000])
@pytest.mark.parametrize("other", ["mp3", "flac", "m4a", "wav"])
def test_other_files_behind_a_wav_of_a_wrong_size(size, other, files):
    data = with_size(files["wav"][0][0], 2 * len(SOUND), size)
    following, samples = files[other][1]
    joined = load(data + following)
    assert_joined(joined, files["wav"][0][1], samples)


def test_sizes_that_agree_are_believed(files, caplog):
    """Samples behind them are neither decoded nor taken for noise, but reported."""
    data, samples = files["wav"][0]
    np.testing.assert_array_equal(load(data + bytes(100) + JUNK), samples)
    assert "3100 bytes behind its WAV cannot be decoded" in caplog.text


def test_frames_without_a_header_may_follow(files):
    """An MP3 may begin with any frame; six in a row are no chance."""
    mp3 = without_xing(encode(np.tile(OTHER, 2), "mp3"))
    for first in (of_unknown_length(files["flac"][0][0]), files["flac"][0][0]):
        samples = load(first + mp3)
        assert 0 <= len(samples) - len(SOUND) - 2 * len(OTHER) <= 2500


def assert_joined(samples, *parts):
    """Compare samples with those of the parts, but for where resamplers overlap."""
    expected = np.concatenate(parts)
    assert len(samples) == len(expected)
    ends = np.cumsum([len(part) for part in parts])[:, None]
    is_near = (np.abs(np.arange(len(samples)) - ends) < 200).any(axis=0)
    np.testing.assert_allclose(samples[~is_near], expected[~is_near], atol=1e-4)


def with_blob(flac):
    """Put a program's data into a FLAC, which hold what looks like files."""
    lookalikes = [b"RIFF\x00\x10\x00\x00WAVEfmt ", b"OggS\x00\x02", b"#!AMR\n"]
    lookalikes += [flac[:38], encode(SOUND, "mp3")]
    blob = b"test" + b"".join(lookalikes)
    block = bytes([0x02]) + len(blob).to_bytes(3, "big") + blob
    # behind the first block, which is not the last
    assert not flac[4] & 0x80
    return flac[:42] + block + flac[42:]


@pytest.mark.parametrize("is_known", [True, False])
def test_data_within_are_no_files(is_known, files, caplog):
    flac, samples = files["flac"][0]
    flac = flac if is_known else of_unknown_length(flac)
    np.testing.assert_array_equal(load(with_blob(flac)), samples)
    wav, behind = files["wav"][1]
    both = np.concatenate([samples, behind])
    np.testing.assert_array_equal(load(with_blob(flac) + wav), both)
    assert not caplog.records


def test_sound_within_other_files_is_no_file(files):
    """FLAC in Matroska begins with FLAC's own header; MP3 in a WAV is frames."""
    for kind, codec in (("matroska", "flac"), ("matroska", "mp3"), ("wav", "mp3")):
        data = encode(SOUND, f"{codec} in {kind}")
        samples, twice = load(data), load(data + data)
        assert 0 <= len(samples) - len(SOUND) <= 2500
        assert len(twice) == 2 * len(samples)


@pytest.mark.parametrize("kind", ["aac", "ac3"])
def test_frames_may_change_their_rate_and_channels(kind):
    kinds = [kind, f"{kind} 32000", f"{kind} stereo"]
    parts = [encode(SOUND, each) for each in kinds]
    alone = [load(part) for part in parts]
    for order in itertools.permutations(range(3)):
        samples = load(b"".join(parts[i] for i in order))
        expected = sum(len(alone[i]) for i in order)
        # what does not change is one stream
        assert abs(len(samples) - expected) <= 3000
        loudness = np.square(samples).sum() / sum(
            np.square(each).sum() for each in alone
        )
        assert loudness == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("kind", ["aac", "ac3"])
def test_a_frame_that_is_cut_is_refused(kind):
    with pytest.raises(InputError, match=r"a\.audio: truncated: its last frame is not"):
        load(encode(SOUND, kind)[:-50])


def test_a_hole_in_bare_frames_is_reported(caplog):
    data = encode(np.tile(SOUND, 6), "ac3")
    size = len(data) // 2
    samples = load(data[:size] + JUNK + data[size:])
    assert "within it are no AC-3 and are skipped" in caplog.text
    assert len(samples) > 5 * len(SOUND)


def test_gsm_in_a_wav_can_be_read_from_anywhere():
    """It is what phone systems record; libsndfile cannot seek in it."""
    data = encode(SOUND, "gsm", 8000)
    whole = load(data, sample_rate=8000)
    assert len(whole) >= len(SOUND)
    segment = load(data, sample_rate=8000, offset=0.5)
    np.testing.assert_array_equal(segment, whole[4000:])


def test_sphere_files_hold_what_they_announce(files):
    data, (wav, behind) = encode(SOUND, "nist"), files["wav"][1]
    assert_joined(load(data + wav), SOUND, behind)
    with pytest.raises(InputError, match="truncated: 100 bytes of samples are missing"):
        load(data[:-100])
