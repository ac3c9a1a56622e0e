import math

import pytest
import soundfile
import torch

from lact_modules.data.conditions import read_conditions
from lact_modules.data.corruption import (
    CODECS,
    apply_codec,
    band_limit,
    change_speed,
    clip,
    reverberate,
    rms,
)
from lact_modules.errors import InputError


def decibels(signal, noise):
    return 20 * torch.log10(rms(signal) / rms(noise)).item()


def corrupt(text, waveform, utterance_id="1-1-0000", seed=1, **folders):
    [condition] = read_conditions([text], **folders)
    return condition.corrupt(waveform, utterance_id, seed)


def best_match(path, stretch):
    """Return the highest correlation of a stretch with those of a file."""
    recorded = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    size = len(recorded) + len(stretch)
    product = torch.fft.rfft(recorded, size) * torch.fft.rfft(stretch, size).conj()
    match = torch.fft.irfft(product, size).max() / len(stretch)
    return (match / rms(recorded) / rms(stretch)).item()


@pytest.fixture
def speech():
    """Noise that swells and fades: 1 s, broad in frequency."""
    generator = torch.Generator().manual_seed(0)
    loudness = torch.linspace(0, 9, 16000).sin().clamp(min=0)
    return 0.1 * loudness * torch.randn(16000, generator=generator)


@pytest.fixture
def folders(tmp_path):
    """Return two noises of 3 s and two responses, one of them in a folder below."""
    generator = torch.Generator().manual_seed(1)
    noises = {
        f"noises/{name}.wav": torch.randn(48000, generator=generator) / 8
        for name in "ab"
    }
    echo = torch.exp(-torch.arange(2000) / 300)
    rooms = {
        f"rooms/{name}.wav": echo * torch.randn(2000, generator=generator) / 8
        for name in ("hall", "small/b+w")
    }
    for name, waveform in {**noises, **rooms}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, waveform.numpy(), 16000, subtype="FLOAT")
    return {"noise_folder": tmp_path / "noises", "rir_folder": tmp_path / "rooms"}


@pytest.mark.parametrize("sigma", ["0.003", "0.05"])
def test_gaussian_noise_has_its_standard_deviation(speech, sigma):
    added = corrupt(f"gaussian:{sigma}", speech) - speech
    assert rms(added).item() == pytest.approx(float(sigma), rel=0.02)


@pytest.mark.parametrize("snr_db", [-5, 0, 12.5])
def test_recorded_noise_has_the_requested_snr(speech, folders, snr_db):
    added = corrupt(f"noise:{snr_db}", speech, **folders) - speech
    assert decibels(speech, added) == pytest.approx(snr_db, abs=0.01)
    # it is a stretch of one of the files
    assert (
        max(best_match(path, added) for path in folders["noise_folder"].iterdir())
        > 0.99
    )


def test_noises_and_places_in_them_are_drawn(speech, folders):
    added = [corrupt("noise:0", speech, f"{i}", **folders) - speech for i in range(6)]
    alike = torch.corrcoef(torch.stack(added)) - torch.eye(6)
    assert alike.abs().max() < 0.1


def test_rooms_are_drawn_or_given(speech, folders):
    given = {}
    for name in ("hall.wav", "0", "1"):
        given[name] = corrupt(f"room:{name}", speech, **folders)
    assert torch.equal(given["hall.wav"], given["0"])
    echo, _ = soundfile.read(folders["rir_folder"] / "hall.wav", dtype="float32")
    assert torch.equal(given["0"], reverberate(speech, torch.from_numpy(echo)))
    drawn = [corrupt("room", speech, f"{i}", **folders) for i in range(10)]
    for wet in drawn:
        assert any(torch.equal(wet, each) for each in given.values())
    assert not all(torch.equal(wet, drawn[0]) for wet in drawn)


def test_what_draws_nothing_is_the_corruption(speech):
    expected = {
        "speed:0.9": change_speed(speech, 0.9),
        "band:8000": band_limit(speech, 8000),
        "clip:0.25": clip(speech, 0.25),
    }
    expected |= {f"codec:{name}": apply_codec(speech, name) for name in CODECS}
    for text, corrupted in expected.items():
        assert torch.equal(corrupt(text, speech), corrupted)


def test_speed_changes_the_length(speech):
    assert len(corrupt("speed:0.8", speech)) == 20000
    assert len(corrupt("speed:1.07", speech)) == math.ceil(16000 / 1.07)


def test_band_keeps_nothing_above_half_its_rate(speech):
    power = torch.fft.rfft(corrupt("band:8000", speech)).abs().square()
    assert power[4200:].sum() < 1e-4 * power.sum()
    assert power[2000:3800].sum() > 0.3 * power.sum()


def test_joined_corruptions_follow_one_another(speech, folders):
    room_first = corrupt("room:hall.wav+noise:5", speech, **folders)
    wet = corrupt("room:hall.wav", speech, **folders)
    assert decibels(wet, room_first - wet) == pytest.approx(5, abs=0.01)
    clipped_first = corrupt("clip:0.5+speed:2", speech)
    assert torch.equal(clipped_first, change_speed(clip(speech, 0.5), 2))


def test_id_seed_and_condition_decide_what_is_drawn(speech, folders):
    for text in ("gaussian:0.1", "noise:3", "room+noise:3"):
        once, again = (corrupt(text, speech, **folders) for _ in range(2))
        assert torch.equal(once, again)
        torch.manual_seed(5)
        assert torch.equal(once, corrupt(text, speech, **folders))
        for other in ({"seed": 2}, {"utterance_id": "1-1-0001"}):
            assert not torch.equal(once, corrupt(text, speech, **other, **folders))
    first = corrupt("gaussian:0.1", speech) - speech
    second = corrupt("gaussian:0.2", speech) - speech
    assert not torch.allclose(2 * first, second, atol=1e-3)


def test_names_are_those_of_folders(folders):
    names = {
        "gaussian:0.010": "gaussian-0.01",
        "gaussian:1e-5": "gaussian-0.00001",
        "noise:5": "noise-5dB",
        "noise:-2.50": "noise--2.5dB",
        "room": "room",
        "room:1": "room-1",
        "room+noise:5": "room+noise-5dB",
        "speed:0.9": "speed-0.9",
        "band:8000": "band-8000",
        "codec:opus": "codec-opus",
        "clip:.25": "clip-0.25",
    }
    conditions = read_conditions(list(names), **folders)
    assert [condition.name for condition in conditions] == list(names.values())


def test_a_path_of_a_response_makes_no_folders(folders):
    (folders["rir_folder"] / "small" / "c w.wav").write_bytes(
        (folders["rir_folder"] / "hall.wav").read_bytes()
    )
    [condition] = read_conditions(["room:small/c w.wav"], **folders)
    assert condition.name == "room-small-c-w.wav"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("fuzz:3", r"'fuzz:3': unknown; choose from gaussian:SIGMA, noise:SNR_DB, sp"),
        ("", "'': unknown; choose from"),
        ("gaussian:0.1+", "'': unknown; choose from"),
        ("gaussian", "'gaussian': expected gaussian:SIGMA, a number from 0 to 1"),
        ("gaussian:loud", "'gaussian:loud': expected gaussian:SIGMA"),
        ("gaussian:nan", "'gaussian:nan': expected gaussian:SIGMA"),
        ("gaussian:-0.1", "'gaussian:-0.1': expected gaussian:SIGMA"),
        ("noise:inf", "'noise:inf': expected noise:SNR_DB, a number from -60 to 60"),
        ("speed:0", "'speed:0': expected speed:FACTOR, a number from 0.25 to 4, a mu"),
        ("speed:0.905", "'speed:0.905': expected .*, a multiple of 0.01"),
        ("band:7999", "'band:7999': expected band:SAMPLE_RATE, .*, a multiple of 25"),
        ("clip:2", "'clip:2': expected clip:FRACTION, a number from 0.001 to 1"),
        ("codec:amr", "'codec:amr': no such codec; choose from mulaw, alaw, mp3"),
        ("codec", "'codec': no such codec"),
        ("room:attic.wav", r"rooms/attic.wav: not a recording .* such as hall.wav, or"),
        ("room:2", "rooms/2: not a recording of the folder; .* number from 0 to 1"),
    ],
)
def test_faults_of_a_condition(folders, text, fault):
    with pytest.raises(InputError, match=fault):
        read_conditions(["speed:0.9", text], **folders)


def test_folders_must_be_given_and_hold_audio(tmp_path):
    (tmp_path / "empty").mkdir()
    for text, option, key in (
        ("noise:5", "--noise-folder", "noise_folder"),
        ("clip:1+room", "--rir-folder", "rir_folder"),
    ):
        with pytest.raises(InputError, match=f"needs recordings; give {option}"):
            read_conditions([text])
        with pytest.raises(InputError, match="empty: no audio below this folder"):
            read_conditions([text], **{key: tmp_path / "empty"})
        # what draws from no folder needs none
        read_conditions(["clip:1"], **{key: tmp_path / "empty"})


def test_two_conditions_of_a_name_are_refused():
    with pytest.raises(InputError, match=r"'clip:0.50': another one is named clip-0.5"):
        read_conditions(["clip:0.5", "speed:2", "clip:0.50"])
