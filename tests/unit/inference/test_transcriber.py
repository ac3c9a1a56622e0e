from itertools import islice

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.audio import load_audio
from lact_modules.errors import InputError
from lact_modules.inference import files as module
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.export import export_model


@pytest.fixture(scope="module")
def transcriber(trained_run):
    return Transcriber.from_folder(trained_run)


@pytest.fixture(scope="module")
def paths(audio_folder):
    return sorted(audio_folder.iterdir())


@pytest.fixture(scope="module")
def alone(transcriber, paths):
    """Transcribe each file by itself."""
    return [transcriber.transcribe([load_audio(path)])[0] for path in paths]


@pytest.mark.parametrize("batch_size", [1, 7, 32])
def test_batches_do_not_show(transcriber, paths, alone, batch_size):
    results = list(transcriber.transcribe_files(paths, batch_size))
    assert [result.source for result in results] == paths
    assert [result.result.text for result in results] == [h.text for h in alone]
    assert len({h.text for h in alone}) > 5


def test_word_times_lie_within_the_file(transcriber, paths):
    for result in transcriber.transcribe_files(paths):
        times = [t for w in result.result.words for t in (w.start, w.end)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= result.seconds


def test_an_export_transcribes_as_its_run(trained_run, tmp_path, paths, alone):
    export_model(trained_run, tmp_path / "export")
    transcriber = Transcriber.from_folder(tmp_path / "export")
    results = transcriber.transcribe_files(paths)
    assert [result.result.words for result in results] == [h.words for h in alone]


def test_beam_search(trained_run, paths):
    beam = Transcriber.from_folder(trained_run, beam_size=10, num_best=2)
    texts = [result.result.text for result in beam.transcribe_files(paths[:3])]
    assert all(texts)


@pytest.mark.parametrize("num_samples", [0, 1, 100])
def test_very_short_audio_is_no_fault(transcriber, num_samples):
    short, long = torch.zeros(num_samples), torch.randn(16000)
    together = transcriber.transcribe([short, long])
    assert together[0].text == transcriber.transcribe([short])[0].text
    assert len(together[0].text) <= 1
    assert together[1].text == transcriber.transcribe([long])[0].text


def test_a_bad_file_does_not_stop_the_others(transcriber, paths, alone, tmp_path):
    truncated = tmp_path / "truncated.flac"
    truncated.write_bytes(paths[0].read_bytes()[:2000])
    mixed = [paths[0], tmp_path / "missing.wav", truncated, paths[1]]
    results = list(transcriber.transcribe_files(mixed, batch_size=3))
    assert [result.error is None for result in results] == [True, False, False, True]
    assert [results[0].result.text, results[3].result.text] == [
        alone[0].text,
        alone[1].text,
    ]
    assert "missing.wav" in str(results[1].error)
    assert results[1].seconds == 0


def test_stereo_at_another_rate(transcriber, tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, 0.1 * torch.randn(8000, 2).numpy(), 8000)
    [result] = transcriber.transcribe_files([path])
    assert result.seconds == 1.0
    assert result.result.text


def test_files_are_read_as_they_are_needed(transcriber, paths):
    def endless():
        while True:
            yield from paths

    results = transcriber.transcribe_files(endless(), batch_size=2)
    assert len(list(islice(results, 20))) == 20


def test_long_files_close_a_batch_and_a_window(transcriber, paths, alone, monkeypatch):
    monkeypatch.setattr(module, "_MAX_BATCH_SECONDS", 4)
    monkeypatch.setattr(module, "_MAX_WINDOW_SECONDS", 8)
    sizes = []

    def transcribe(waveforms):
        sizes.append((len(waveforms), max(map(len, waveforms))))
        return Transcriber.transcribe(transcriber, waveforms)

    monkeypatch.setattr(transcriber, "transcribe", transcribe)
    results = list(transcriber.transcribe_files(paths, batch_size=5))
    assert [result.result.text for result in results] == [h.text for h in alone]
    assert max(count for count, _ in sizes) > 1
    assert all(count == 1 or count * longest <= 64000 for count, longest in sizes)


def test_no_files(transcriber):
    assert list(transcriber.transcribe_files([])) == []


def test_faults_of_the_user(trained_run, transcriber, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        Transcriber.from_folder(tmp_path / "missing")
    with pytest.raises(InputError, match=r"no model: neither a run"):
        Transcriber.from_folder(tmp_path)
    with pytest.raises(InputError, match="device 'abacus'"):
        Transcriber.from_folder(trained_run, device="abacus")
    with pytest.raises(InputError, match="batch size 0"):
        next(transcriber.transcribe_files([], batch_size=0))


def test_audio_of_every_kind_is_transcribed_alike(transcriber, paths, alone):
    integers, _ = soundfile.read(paths[0], dtype="int16")
    floats, _ = soundfile.read(paths[0], dtype="float64")
    tensor = torch.from_numpy(floats).float().requires_grad_()
    foreign = np.frombuffer(integers.astype(">i2").tobytes(), ">i2")
    kinds = (paths[0], str(paths[0]), integers, foreign, floats, tensor)
    for audio in kinds:
        assert [h.words for h in transcriber.transcribe(audio)] == [alone[0].words]
        both = transcriber.transcribe([audio, paths[1]])
        assert [h.text for h in both] == [h.text for h in alone[:2]]
    assert transcriber.transcribe([]) == []


def test_samples_of_another_rate_are_resampled(transcriber, paths, tmp_path):
    waveform = load_audio(paths[0])
    slow = torch.repeat_interleave(waveform, 3).numpy()
    soundfile.write(tmp_path / "slow.wav", slow, 48000, subtype="FLOAT")
    [expected] = transcriber.transcribe(tmp_path / "slow.wav")
    assert transcriber.transcribe(slow, sample_rate=48000) == [expected]


@pytest.mark.parametrize(
    ("audio", "line"),
    [
        (torch.zeros(3, 8), r"audio 0: of shape \(3, 8\)"),
        ([torch.zeros(8), np.zeros((8, 2, 1))], r"audio 1: of shape \(8, 2, 1\)"),
        (torch.tensor(1.0), r"audio 0: of shape \(\)"),
        (np.zeros(8, dtype=bool), "audio 0: samples of torch.bool"),
        (np.array([0.0, np.nan]), "audio 0: holds NaN or infinite samples"),
        (np.array([0.0, -1e30]), "audio 0: holds samples of 1e\\+30; full scale is 1"),
        ([None], "audio 0: a NoneType; give an array of samples"),
        ("missing.wav", "missing.wav"),
    ],
)
def test_what_is_no_audio(transcriber, audio, line):
    with pytest.raises(InputError, match=line):
        transcriber.transcribe(audio)


@pytest.mark.parametrize("rate", [0, -8000, 10**9])
def test_rates_of_no_audio(transcriber, rate):
    with pytest.raises(InputError, match=f"sample_rate {rate}: give Hz"):
        transcriber.transcribe(torch.zeros(8), sample_rate=rate)


def test_out_of_memory_names_the_batch(transcriber, monkeypatch):
    def run_out(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(transcriber.model, "forward", run_out)
    with pytest.raises(InputError, match=r"batch of 2 x 1 s.*smaller batch"):
        transcriber.transcribe([torch.zeros(16000)] * 2)
