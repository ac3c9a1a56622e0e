"""Streams by an exported step: PyTorch's scores, chunk by chunk."""

import pytest
import soundfile
import torch

import lact_modules
from lact_modules.errors import InputError
from lact_modules.inference.onnx.check import check_stream_graph, run_stream
from lact_modules.inference.stream.chunks import chunk_encoder
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.model_store.onnx.model import OnnxModel
from lact_modules.model_store.onnx.stream_model import OnnxStreamingModel
from lact_modules.model_store.trained_model import load_run
from tests.documents import examples


@pytest.fixture(scope="module")
def noise():
    generator = torch.Generator().manual_seed(1)
    waveform = 0.3 * torch.randn(1, 60001, generator=generator)
    return waveform * torch.linspace(0, 20, waveform.shape[1]).sin().abs()


@pytest.fixture
def pytorch(windowed_stream_run):
    model = load_run(windowed_stream_run).model
    return StreamingModel(model, chunk_encoder(model, 0.32, 0.64))


@pytest.fixture
def step(onnx_stream_export):
    return OnnxStreamingModel(onnx_stream_export / "stream.onnx", frame_rate=25)


def test_a_stream_has_the_text_of_pytorch(
    lact_asr, windowed_stream_run, onnx_stream_export, noise, tmp_path
):
    audio = tmp_path / "a.flac"
    soundfile.write(audio, noise[0].clamp(-1, 1).numpy(), 16000)
    chunks = "--model", windowed_stream_run, "--chunk", "0.32", "--left", "0.64"
    # one utterance, then several
    for silence in "9", "0.1":
        options = audio, "--silence", silence, "--device", "cpu"
        expected = lact_asr("stream", *options, *chunks).out
        output = lact_asr("stream", *options, "--model", onnx_stream_export).out
        assert output == expected
        if silence == "9":
            whole = lact_asr("transcribe", audio, *chunks).out.split("\t")[-1].strip()
            assert output.split("\t")[-1].strip() == whole
    assert output.count("\n") > 1
    assert len(whole.split()) > 3


@pytest.mark.parametrize("size", [1, 639, 5120, 5296, 5297, 60001])
def test_scores_are_pytorchs(pytorch, step, noise, size):
    expected = run_stream(pytorch, noise[:, :size])
    torch.testing.assert_close(
        run_stream(step, noise[:, :size]), expected, atol=1e-4, rtol=1e-4
    )


def test_a_stream_in_python(windowed_stream_run, onnx_stream_export, noise):
    expected = StreamingRecognizer.from_export(
        windowed_stream_run, chunk_seconds=0.32, left_seconds=0.64
    )
    expected.accept(noise[0])
    model = lact_modules.load(onnx_stream_export)
    finals = [each for each in model.stream(noise[0].split(4000)) if each.is_final]
    assert " ".join(each.text for each in finals) == expected.finish() != ""


def test_pieces_do_not_matter(step, noise):
    state, scores = step.start(1), []
    for piece in noise.split(1777, dim=1):
        log_probs, state = step.accept(piece, state)
        scores.append(log_probs)
    scores.append(step.finish(state))
    assert torch.equal(torch.cat(scores, dim=1), run_stream(step, noise))
    assert state.num_samples == 60001


def test_the_example_of_the_page_runs(
    step, onnx_stream_export, noise, tmp_path, monkeypatch
):
    soundfile.write(tmp_path / "speech.wav", noise[0].numpy(), 16000, "FLOAT")
    (tmp_path / "DIR").symlink_to(onnx_stream_export)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(examples("onnx.md", "python")[0], names)
    assert names["best"] == run_stream(step, noise)[0].argmax(-1).tolist()


def test_a_step_with_other_scores_is_refused(pytorch, onnx_stream_export):
    path = onnx_stream_export / "stream.onnx"
    assert check_stream_graph(pytorch, path) < 1e-3
    with torch.no_grad():
        pytorch.model.output.bias[2] += 0.01
    with pytest.raises(InputError, match=r"log-probabilities .* differ"):
        check_stream_graph(pytorch, path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--chunk", "0.64"), "exported with --chunk 0.32"),
        (("--left", "5.12"), "exported with --left 0.64"),
        (("--save-state", "STATE"), "not kept"),
        (("--precision", "bf16"), "an ONNX graph"),
        (("--ttt", "self-train"), "an ONNX graph"),
        (("--exit-block", "1"), "exit_block 1: an ONNX graph cannot be cut; use "),
        (("--compile",), "an ONNX graph"),
    ],
    ids=str,
)
def test_options_that_a_step_lacks_are_refused(
    lact_asr, onnx_stream_export, audio_folder, tmp_path, monkeypatch, options, message
):
    monkeypatch.chdir(tmp_path)
    file = audio_folder / "noise-0.flac"
    finished = lact_asr("stream", file, "--model", onnx_stream_export, *options)
    assert (finished.code, finished.out) == (2, "")
    assert message in finished.err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_step_of_another_model_is_refused(onnx_stream_export):
    model = OnnxModel(onnx_stream_export / "model.onnx", frame_rate=25)
    model.num_tokens += 1
    with pytest.raises(InputError, match=r"stream\.onnx: 6 outputs"):
        model.open_stream()


def test_another_graph_is_no_step(onnx_export):
    with pytest.raises(InputError, match=r"model\.onnx: no step of a stream"):
        OnnxStreamingModel(onnx_export / "model.onnx", frame_rate=25)
