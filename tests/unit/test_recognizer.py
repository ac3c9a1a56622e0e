"""``lact_modules.load`` transcribes any audio as ``lact-asr transcribe`` does."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

import lact_modules
from lact_modules.data.audio import load_audio
from lact_modules.errors import InputError
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams
from tests.documents import examples
from tests.unit.cli.conftest import lact_asr  # noqa: F401
from tests.unit.conftest import HYPERPARAMETERS, make_pieces, make_run


@pytest.fixture(scope="module")
def paths(audio_folder, tmp_path_factory):
    """Return twenty files: ten, and each in another format, rate, and stereo."""
    folder = tmp_path_factory.mktemp("other")
    paths = sorted(audio_folder.iterdir())
    formats = ("wav", 8000, 1), ("mp3", 44100, 2), ("ogg", 48000, 2), ("flac", 11025, 2)
    others = []
    for number, path in enumerate(paths):
        suffix, rate, channels = formats[number % len(formats)]
        samples = np.tile(soundfile.read(path)[0][:, None], channels)
        others.append(folder / f"{number}.{suffix}")
        soundfile.write(others[-1], samples, rate)
    return [*paths, *others]


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    write_arpa(path, estimate_ngrams(["CD CD DC", "DC CDC"], order=2))
    return path


@pytest.fixture(scope="module")
def model(trained_run):
    return lact_modules.load(trained_run, device="cpu")


@pytest.fixture(scope="module")
def alone(model, paths):
    return [model.transcribe(path) for path in paths]


@pytest.fixture(scope="module")
def subword_run(tmp_path_factory):
    vocabulary = make_pieces()
    settings = HYPERPARAMETERS.replace("num_tokens: 6", "num_tokens: 13")
    return make_run(tmp_path_factory.mktemp("subwords"), settings, vocabulary)


def listed(transcripts, paths):
    """Format transcripts as the command line does in JSON."""
    return [
        {
            "file": str(path),
            "text": str(transcript),
            "words": [
                {"word": w.word, "start": round(w.start, 3), "end": round(w.end, 3)}
                for w in transcript.words
            ],
        }
        for path, transcript in zip(paths, transcripts, strict=True)
    ]


def check_confidences(transcripts):
    sure = [word.confidence for each in transcripts for word in each.words]
    assert sure
    assert all(0 < confidence <= 1 for confidence in sure)
    for each in transcripts:
        inner = [word.confidence for word in each.words]
        assert min(inner) <= each.confidence * 1.0001
        assert max(inner) >= each.confidence * 0.9999


@pytest.mark.parametrize(
    ("run", "beam_size", "num_files"),
    [("trained_run", 0, 20), ("trained_run", 10, 6), ("subword_run", 10, 6)],
)
def test_texts_and_times_are_those_of_the_command_line(
    request,
    lact_asr,  # noqa: F811
    paths,
    lm,
    run,
    beam_size,
    num_files,
):
    run, paths = request.getfixturevalue(run), paths[-num_files:]
    # the language model's words are those of the run over characters
    lm = lm if beam_size and run.name.startswith("run") else None
    command = ["transcribe", *paths, "--model", run, "--format", "json"]
    command += ["--beam-size", beam_size, *(["--lm", lm] if lm else [])]
    expected = [json.loads(line) for line in lact_asr(*command).out.splitlines()]
    options = {"beam_size": beam_size, "lm": lm}
    transcripts = lact_modules.load(run, **options).transcribe(paths)
    assert listed(transcripts, paths) == expected
    assert len({each.text for each in transcripts}) > num_files // 2
    check_confidences(transcripts)


def test_recordings_of_every_kind_are_recognized_alike(model, paths, alone):
    integers, rate = soundfile.read(paths[0], dtype="int16")
    floats, _ = soundfile.read(paths[0])
    tensor = torch.from_numpy(floats).float().requires_grad_()
    assert rate == 16000
    for audio in (str(paths[0]), integers, floats, tensor, tensor.half().double()):
        assert model.transcribe(audio) == alone[0]
        assert model.transcribe([paths[1], audio]) == [alone[1], alone[0]]
    assert model.transcribe(tuple(paths)) == alone
    assert model.transcribe(paths[0].parent.glob("noise-[01].*")) == [
        *(model.transcribe(path) for path in paths[0].parent.glob("noise-[01].*"))
    ]
    assert model.transcribe([]) == []


@pytest.mark.parametrize("rate", [8000, 44100])
def test_stereo_at_any_rate_is_recognized_as_its_file(model, tmp_path, rate):
    generator = torch.Generator().manual_seed(0)
    samples = 0.3 * torch.randn(rate, 2, generator=generator)
    soundfile.write(tmp_path / "a.wav", samples.numpy(), rate, subtype="FLOAT")
    expected = model.transcribe(tmp_path / "a.wav")
    assert expected.text
    for audio in (samples.numpy(), samples, samples.T, samples.T.double().numpy()):
        assert model.transcribe(audio, sample_rate=rate) == expected
        # of one sample, too, in which the two axes look alike
        blocks = torch.as_tensor(audio).split(
            [4000, 1, rate - 4003, 2], 0 if audio.shape[1] == 2 else 1
        )
        assert model.transcribe(iter(blocks), sample_rate=rate) == expected
    left = model.transcribe(samples[:, :1], sample_rate=rate)
    assert left == model.transcribe(samples[:, 0], sample_rate=rate) != expected


def test_words_are_as_sure_as_their_tokens(model, paths):
    [log_probs], _ = model.log_probs(paths[9])
    transcript = model.transcribe(paths[9])
    best, ids = log_probs.max(dim=1)
    spelled = []
    for frame, index in enumerate(ids.tolist()):
        token = model.tokens[index]
        if token == "|":
            spelled.append([])
        elif index and frame and ids[frame - 1] == index:
            # of several frames, the most certain one counts
            spelled[-1][-1] = max(spelled[-1][-1], best[frame].item())
        elif index:
            spelled = spelled or [[]]
            spelled[-1].append(best[frame].item())
    spelled = [word for word in spelled if word]
    sure = [word.confidence for word in transcript.words]
    expected = [np.exp(np.mean(word)) for word in spelled]
    assert len(sure) > 2
    assert np.allclose(sure, expected, rtol=1e-4)
    assert transcript.confidence == pytest.approx(
        np.exp(np.mean(np.concatenate(spelled))), rel=1e-4
    )


def test_silence_has_no_confidence(model):
    nothing = model.transcribe(np.zeros(0, dtype=np.float32))
    assert (nothing.text, nothing.words, nothing.confidence) == ("", (), None)


def test_frames_are_given_with_their_lengths(model, trained_run, paths):
    audio = [paths[0], load_audio(paths[1]), paths[2]]
    log_probs, lengths = model.log_probs(audio, batch_size=2)
    encoded, encoded_lengths = model.encode(audio, batch_size=2)
    assert lengths.tolist() == encoded_lengths.tolist()
    assert log_probs.shape == (3, max(lengths), len(model.tokens))
    # they may go into a training of one's own
    torch.nn.Linear(encoded.shape[2], 1)(encoded).sum().backward()
    for number, (path, length) in enumerate(zip(paths, lengths.tolist(), strict=False)):
        single, [single_length] = model.log_probs(path)
        assert single_length == length
        torch.testing.assert_close(single[0], log_probs[number, :length])
        assert log_probs[number, length:].count_nonzero() == 0
        assert encoded[number, length:].count_nonzero() == 0
    output = model._transcriber.model.output
    torch.testing.assert_close(
        output(encoded[0]).log_softmax(-1)[: lengths[0]], log_probs[0, : lengths[0]]
    )


def test_long_audio_stays_in_its_file(streaming_run, paths, monkeypatch):
    monkeypatch.setattr("lact_modules.inference.model_runner.MAX_WHOLE_SECONDS", 0.5)
    model = lact_modules.load(streaming_run, chunk_seconds=0.32, left_seconds=1.28)
    log_probs, lengths = model.log_probs(paths[:3])
    encoded, encoded_lengths = model.encode(paths[:3])
    assert lengths.tolist() == encoded_lengths.tolist()
    scored = model._transcriber.model.score_frames(encoded)
    for mine, theirs, length in zip(scored, log_probs, lengths, strict=True):
        torch.testing.assert_close(mine[:length], theirs[:length], atol=1e-4, rtol=1e-4)


def test_streams_have_partial_results(streaming_run, paths):
    model = lact_modules.load(streaming_run, chunk_seconds=0.32, left_seconds=1.28)
    recognizer = StreamingRecognizer.from_export(
        streaming_run, chunk_seconds=0.32, left_seconds=1.28
    )
    speech, pause = load_audio(paths[9]), torch.zeros(16000)
    samples = torch.cat([speech, pause, speech])
    recognizer.accept(samples)
    expected = recognizer.finish()
    for rate, audio in (16000, samples), (8000, np.stack([samples[::2]] * 2)):
        results = [*model.stream(np.array_split(audio, 40, axis=-1), sample_rate=rate)]
        final = [each for each in results if each.is_final]
        assert len(results) > len(final) > 0
        assert results[-1].is_final
        assert all(not each.is_final or each.words for each in results)
        times = [word.start for each in final for word in each.words]
        assert times == sorted(times)
        if rate == 16000:
            assert " ".join(map(str, final)) == expected


@pytest.mark.parametrize(
    ("audio", "line"),
    [
        (None, "audio: a NoneType"),
        (b"RIFF", "audio 0: a int"),
        ([0.1, 0.2], "audio 0: a float; give an array of samples"),
        (iter([]), "audio: an empty generator"),
        (iter([b"RIFF"]), "audio: a bytes"),
        ([np.zeros(8), "missing.wav"], "missing.wav"),
        (np.zeros((8, 16000)), r"audio 0: of shape \(8, 16000\).*as a list"),
        (np.array([np.nan]), "audio 0: holds NaN"),
        (np.zeros(8, dtype=np.int64), "audio 0: samples of torch.int64"),
        (np.array(["a.wav"]), "audio 0: no samples"),
    ],
)
def test_what_is_no_audio(model, audio, line):
    with pytest.raises(InputError, match=line) as caught:
        model.transcribe(audio)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"beam": 5}, "beam: not an option"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"precision": "fp64"}, "precision 'fp64'"),
        ({"lm": "missing.arpa"}, "needs beam search"),
        ({"beam_size": 5, "lm": "missing.arpa"}, "missing.arpa"),
        ({"beam_size": -1}, "beam_size"),
        ({"exit_block": 1}, "exit_block 1"),
    ],
)
def test_options_that_do_not_fit(trained_run, options, line):
    with pytest.raises(InputError, match=line):
        lact_modules.load(trained_run, **options)


def test_faults_of_the_call(model, trained_run, streaming_run, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        lact_modules.load(tmp_path / "missing")
    with pytest.raises(InputError, match="sample_rate fast: give Hz"):
        model.transcribe(np.zeros(8), sample_rate="fast")
    with pytest.raises(InputError, match="an empty list"):
        model.log_probs([])
    with pytest.raises(InputError, match="stream: "):
        next(model.stream([np.zeros(8)]))
    learning = lact_modules.load(trained_run, ttt={"method": "suta", "steps": 1})
    with pytest.raises(InputError, match="encode: --ttt"):
        learning.encode(np.zeros(16000))


def test_importing_the_package_imports_no_torch():
    check = "import lact_modules, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
    assert {"load", "Recognizer", "Transcript"} <= {*dir(lact_modules)}
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = lact_modules.lode


def test_the_examples_of_the_page_run(
    paths, lm, trained_run, streaming_run, tmp_path, monkeypatch, capsys
):
    samples, rate = soundfile.read(paths[9])
    for name in ("talk.mp3", "talk.wav"):
        soundfile.write(tmp_path / name, samples, rate)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/lact").symlink_to(trained_run)
    (tmp_path / "runs/streaming").symlink_to(streaming_run)
    (tmp_path / "lm.arpa").write_bytes(lm.read_bytes())
    monkeypatch.chdir(tmp_path)
    blocks, names = examples("python.md", "python"), {}
    assert len(blocks) > 4
    for block in blocks:
        exec(block, names)
    assert names["whole"] == names["transcript"]
    assert names["encoded"].shape[0] == 1
    assert capsys.readouterr().out.count("\n") > 5
