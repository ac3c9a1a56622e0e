"""Long audio is recognized piece by piece as in one call."""

import pytest
import soundfile
import torch

from lact_modules.data.audio import load_audio
from lact_modules.data.source.audio_file import AudioFile
from lact_modules.inference.long_form import LongForm
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.inference.transcriber import Transcriber

CHUNKS = {"chunk_seconds": 0.32, "left_seconds": 2.0}


def make_samples(seconds, rate=16000):
    samples = 0.2 * torch.randn(int(rate * seconds), generator=torch.manual_seed(1))
    return samples * torch.linspace(0, 3 * seconds, len(samples)).sin().abs()


@pytest.fixture(scope="module")
def transcriber(streaming_run):
    return Transcriber.from_folder(streaming_run, **CHUNKS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write two long files and a short one."""
    folder = tmp_path_factory.mktemp("long")
    for name, seconds, rate in (("a", 75.2, 16000), ("b", 5, 16000), ("c", 61, 44100)):
        samples = make_samples(seconds, rate).clamp(-1, 1)
        soundfile.write(folder / f"{name}.flac", samples.numpy(), rate)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def expected(transcriber, files):
    """Return the model's outputs for each file in one call."""
    found = []
    for path in files:
        waveform = load_audio(path)
        with torch.inference_mode():
            outputs = transcriber.chunked(waveform[None], torch.tensor([len(waveform)]))
        found.append(outputs)
    return found


def assert_equal(outputs, expected):
    for row, (log_probs, [length]) in enumerate(expected):
        assert outputs[1][row] == length
        torch.testing.assert_close(
            outputs[0][row, :length], log_probs[0], atol=1e-4, rtol=1e-4
        )


def test_pieces_and_batches_do_not_show(transcriber, files, expected):
    for batch in ([0], [0, 1, 2]):
        waveforms = [transcriber.load(files[index]) for index in batch]
        assert isinstance(waveforms[0], AudioFile)
        outputs = transcriber.run_model(waveforms)
        assert_equal(outputs, [expected[index] for index in batch])


@pytest.mark.parametrize("piece_seconds", [0.13, 0.5, 1.0])
@pytest.mark.parametrize("num_samples", [(8000, 0, 20000), (16000, 16000), (47999,)])
@torch.inference_mode()
def test_pieces_of_any_size_are_the_whole(transcriber, piece_seconds, num_samples):
    streaming = transcriber.long_form.model
    waveforms = [make_samples(3)[:count] for count in num_samples]
    outputs = LongForm(streaming, piece_seconds)(waveforms)
    alone = [
        transcriber.chunked(waveform[None], torch.tensor([len(waveform)]))
        for waveform in waveforms
        if len(waveform)
    ]
    is_silent = outputs[1] == 0
    assert is_silent.tolist() == [count == 0 for count in num_samples]
    assert_equal([part[~is_silent] for part in outputs], alone)


def test_files_of_all_lengths_have_the_text_of_one_call(
    transcriber, files, expected, tmp_path
):
    missing = tmp_path / "missing.wav"
    outcomes = [*transcriber.transcribe_files([*files, missing], batch_size=4)]
    assert [outcome.source for outcome in outcomes] == [*files, missing]
    texts = [transcriber.decoder(*outputs)[0].text for outputs in expected]
    assert [outcome.result.text for outcome in outcomes[:3]] == texts
    assert [outcome.seconds for outcome in outcomes] == [75.2, 5.0, 61.0, 0.0]
    assert len(set(texts)) == 3
    assert "missing.wav" in str(outcomes[3].error)


def test_beam_search(streaming_run, files, expected):
    beam = Transcriber.from_folder(streaming_run, beam_size=4, **CHUNKS)
    [hypothesis] = beam.transcribe([beam.load(files[2])])
    assert hypothesis.text == beam.decoder(*expected[2])[0].text
    assert hypothesis.text


def test_memory_does_not_grow_with_the_audio(transcriber, files, monkeypatch):
    shapes, accept = [], StreamingModel.accept

    def record(self, waveform, state):
        shapes.append(tuple(waveform.shape))
        return accept(self, waveform, state)

    def refuse(*_):
        raise AssertionError("the whole was run")

    monkeypatch.setattr(StreamingModel, "accept", record)
    monkeypatch.setattr(transcriber.model, "make_frames", refuse)
    assert all(outcome.result for outcome in transcriber.transcribe_files(files[::2]))
    # both together while both last
    assert shapes[:2] == [(2, 480_000)] * 2
    assert max(count for _, count in shapes) == 480_000


def test_other_front_ends_run_on_the_whole(trained_run, files):
    transcriber = Transcriber.from_folder(trained_run, **CHUNKS)
    waveform = transcriber.load(files[2])
    assert torch.equal(waveform, load_audio(files[2]))
    assert transcriber.run_model([waveform])[1].tolist() == [61 * 25]
