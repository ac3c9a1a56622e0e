import pytest
import soundfile
import torch

from lact_modules.data.audio import load_audio
from lact_modules.encoders import CTCModel

NO_SPEED = {"wav_augment": "{augment_prob: 0.0}", "fea_augment": "{augment_prob: 0.0}"}
AS_IT_IS = {**NO_SPEED, "pause_prob": 0.0}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Options that put every utterance into a room, noise and a codec."""
    folder = tmp_path_factory.mktemp("sounds")
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(8000, generator=generator)
    room = 0.1 * torch.randn(2000, generator=generator)
    room[10] = 1.0
    for name, sound in (("noise", noise), ("rir", room)):
        (folder / name).mkdir()
        soundfile.write(folder / name / f"{name}.flac", sound.numpy(), 16000)
    return {
        "noise_folder": folder / "noise",
        "noise_snr_db": "[5, 10]",
        "noise_prob": 1.0,
        "rir_folder": folder / "rir",
        "rir_prob": 1.0,
        "codecs": "[mulaw, narrowband]",
        "codec_prob": 1.0,
    }


@pytest.fixture
def inputs(monkeypatch):
    """What the model is given: utterances in training, and in validation and tests."""
    utterances = {True: [], False: []}
    forward = CTCModel.forward

    def record(model, waveform, lengths, *arguments, **options):
        pairs = zip(waveform, lengths, strict=True)
        utterances[model.training] += [signal[:length] for signal, length in pairs]
        return forward(model, waveform, lengths, *arguments, **options)

    monkeypatch.setattr(CTCModel, "forward", record)
    return utterances


def is_recording(waveform, recordings):
    return any(torch.equal(waveform, recording) for recording in recordings)


@pytest.fixture(scope="module")
def recordings(corpus):
    return [load_audio(path) for path in corpus.rglob("*.flac")]


def test_training_alone_is_augmented(train, everything, inputs, recordings, tmp_path):
    run = train(tmp_path, num_epochs=3, **everything, **AS_IT_IS)
    assert run.code == 0, run.error
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert len(losses) == 30
    assert losses[-1] < losses[0]
    # 4 of dev after each epoch, and for the average of checkpoints, 4 of test; before
    # all, a second of noise
    assert len(inputs[False]) == 1 + 20
    assert all(is_recording(waveform, recordings) for waveform in inputs[False][1:])
    assert len(inputs[True]) == 60
    assert not any(is_recording(waveform, recordings) for waveform in inputs[True])


def test_pauses_alone_are_on_by_default(train, inputs, recordings, tmp_path):
    assert train(tmp_path, num_epochs=2, **NO_SPEED).code == 0
    lengths = {len(recording) for recording in recordings}
    has_pause = [len(waveform) not in lengths for waveform in inputs[True]]
    assert any(has_pause)
    assert not all(has_pause)


def test_all_else_is_off_by_default(train, inputs, recordings, tmp_path):
    assert train(tmp_path, **AS_IT_IS).code == 0
    assert len(inputs[True]) == 20
    assert all(is_recording(waveform, recordings) for waveform in inputs[True])


def test_the_seed_repeats_it(train, everything, tmp_path):
    runs = [train(tmp_path / name, **everything) for name in ("first", "second")]
    first, second = ([m["loss"] for m in run.metrics("train")] for run in runs)
    assert first == second


def test_bf16_does_not_reach_the_samples(train, inputs, recordings, tmp_path):
    options = {**AS_IT_IS, "codecs": "[narrowband]", "codec_prob": 1.0}
    for precision in ("fp32", "bf16"):
        assert train(tmp_path / precision, precision=precision, **options).code == 0
    in_float32, in_bf16 = inputs[True][:20], inputs[True][20:]
    assert all(map(torch.equal, in_float32, in_bf16))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noise_folder": "nowhere"}, ["--noise_folder nowhere: no such"]),
        ({"codecs": "[amr]"}, ["--codecs [amr]: expected a list of any of mulaw"]),
        ({"rir_prop": 0.3}, ["no key 'rir_prop'; did you mean 'rir_prob'?"]),
    ],
)
def test_wrong_option_is_reported_on_one_line(train, tmp_path, options, words):
    run = train(tmp_path, **options)
    assert run.code == 2
    message = run.error.strip().splitlines()[-1]
    assert all(word in message for word in words)


def test_a_folder_without_audio_is_refused(train, tmp_path):
    (tmp_path / "empty").mkdir()
    run = train(tmp_path / "run", noise_folder=tmp_path / "empty")
    assert run.code == 2
    assert f"{tmp_path / 'empty'}: no audio below" in run.error
