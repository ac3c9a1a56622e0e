"""One small model as a graph: onnxruntime and sherpa-onnx have the same output."""

import json
from functools import partial

import onnx
import pytest
import soundfile
import torch

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend, Wav2Vec2Frontend
from lact_modules.inference.onnx.check import check_graph
from lact_modules.inference.onnx.graph import check_exportable, make_graph
from lact_modules.inference.onnx.quantization import quantize_graph
from lact_modules.inference.transcriber import Transcriber
from lact_modules.layers import AttentionMixer, BiMambaMixer, FeedForward, LaCTMixer
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import load_run
from tests.documents import examples


def noise(*sizes):
    generator = torch.Generator().manual_seed(1)
    waveform = 0.05 * torch.randn(len(sizes), max(sizes), generator=generator)
    return waveform, torch.tensor(sizes)


def test_the_folder_holds_a_graph_in_the_place_of_weights(onnx_export):
    assert sorted(path.name for path in onnx_export.iterdir()) == [
        *("config.json", "model.onnx", "result.json", "tokens.txt", "vocabulary.txt")
    ]
    config = json.loads((onnx_export / "config.json").read_text())
    assert config["onnx"]["quantize"] is None
    assert 0 < config["onnx"]["difference"] < 1e-3
    # nor does it show where it was made
    assert b".py" not in (onnx_export / "model.onnx").read_bytes()
    lines = (onnx_export / "tokens.txt").read_text().splitlines()
    assert lines == ["<blank> 0", "▁ 1", "A 2", "B 3", "C 4", "D 5"]


@pytest.mark.parametrize(
    "sizes", [(1,), (639, 640, 641), (20480, 20481), (300_000, 0, 160_001)], ids=str
)
def test_log_probabilities_are_pytorchs(windowed_run, onnx_export, sizes):
    waveform, lengths = noise(*sizes)
    with torch.inference_mode():
        expected, frames = load_run(windowed_run).model(waveform, lengths)
    log_probs, num_frames = load_model(onnx_export).model(waveform, lengths)
    assert torch.equal(num_frames, frames)
    assert log_probs.shape == expected.shape
    for row, count in enumerate(frames):
        torch.testing.assert_close(
            log_probs[row, :count], expected[row, :count], atol=1e-4, rtol=1e-4
        )


def test_the_examples_of_the_page_run(
    onnx_export, audio_folder, tmp_path, monkeypatch, capsys
):
    samples, rate = soundfile.read(audio_folder / "noise-3.flac")
    soundfile.write(tmp_path / "speech.wav", samples, rate)
    (tmp_path / "DIR").symlink_to(onnx_export)
    monkeypatch.chdir(tmp_path)
    # that of streams is run where there is a step
    _, own, for_sherpa = examples("onnx.md", "python")
    names = {}
    exec(own, names)
    greedy = Transcriber.from_folder(onnx_export).transcribe(["speech.wav"])[0].text
    assert capsys.readouterr().out.split() == greedy.split()
    exec(for_sherpa, names)
    assert set(names["stream"].result.text) <= {*" ABCD"}


def test_int8_is_near(onnx_copy, onnx_export):
    quantize_graph(onnx_copy / "model.onnx")
    kinds = {node.op_type for node in onnx.load(onnx_copy / "model.onnx").graph.node}
    assert "MatMulInteger" in kinds
    waveform, lengths = noise(50_000, 30_000)
    exact, _ = load_model(onnx_export).model(waveform, lengths)
    rounded, _ = load_model(onnx_copy).model(waveform, lengths)
    assert 0 < (rounded - exact)[0].abs().mean() < 0.1 * exact[0].abs().mean()


def small(mixer=None, frontend=None, **options):
    mixer = mixer or partial(LaCTMixer, 8, 2, 2)
    encoder = Encoder(8, 2, mixer, partial(FeedForward, 8, 16), **options)
    return CTCModel(frontend or MelFrontend(8, channels=4), encoder, num_tokens=5)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (partial(small, partial(BiMambaMixer, 8)), "BiMambaMixer"),
        (partial(small, partial(AttentionMixer, 8, 2, "relpos")), "relpos"),
        (partial(small, partial(LaCTMixer, 8, 2, 2, "block", 4)), "'block'"),
        (
            partial(small, dynamic_chunking=partial(DynamicChunking, router="cosine")),
            "dynamic chunking",
        ),
        (lambda: small(frontend=Wav2Vec2Frontend(8)), "Wav2Vec2Frontend"),
    ],
)
def test_what_has_no_graph_is_named(model, named):
    with pytest.raises(InputError, match=named):
        check_exportable(model())


def test_a_graph_with_other_scores_is_refused(windowed_run, onnx_export):
    model = load_run(windowed_run).model
    assert check_graph(model, onnx_export / "model.onnx") < 1e-3
    with torch.no_grad():
        model.output.bias[2] += 0.01
    with pytest.raises(InputError, match=r"log-probabilities .* differ"):
        check_graph(model, onnx_export / "model.onnx")


def test_what_the_exporter_refuses_is_one_line(monkeypatch):
    def fail(*_, **__):
        raise torch.onnx.errors.OnnxExporterError("no\nsuch op")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(InputError) as caught:
        make_graph(small().eval())
    assert str(caught.value) == "ONNX cannot hold this model (no)"
