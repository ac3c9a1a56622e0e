"""Exported graphs by the command line, and by sherpa-onnx."""

import json
import re
import sys

import onnx
import pytest
import sherpa_onnx
import soundfile
import torch
from onnx import parser

import lact_modules
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.inference.onnx import graph

OTHER = """
<ir_version: 8, opset_import: ["": 15]>
other (float[n] x) => (float[n] y) { y = Identity(x) }
"""
NUMBER = re.compile(r"-?\d+\.\d+")


def transcribe(lact_asr, model, audio_folder, *options):
    finished = lact_asr("transcribe", audio_folder, "--model", model, *options)
    assert finished.code == 0, finished.err
    return finished.out


def test_transcripts_are_pytorchs(
    lact_asr, windowed_run, onnx_export, twenty_files, monkeypatch
):
    for options in [], ["--format", "json"], ["--beam-size", 4]:
        expected = transcribe(lact_asr, windowed_run, twenty_files, *options)
        with monkeypatch.context() as patch:
            # no model of PyTorch's is made
            patch.setattr(CTCModel, "__init__", None)
            output = transcribe(lact_asr, onnx_export, twenty_files, *options)
        assert NUMBER.sub("", output) == NUMBER.sub("", expected)
        numbers, others = (
            [*map(float, NUMBER.findall(each))] for each in (output, expected)
        )
        assert numbers == pytest.approx(others, abs=0.01)
    texts = [line.partition("\t")[2] for line in expected.splitlines()]
    assert len(texts) == 20 and len({*texts}) > 10 and all(texts)


def test_scores_are_pytorchs(lact_asr, windowed_run, onnx_export, split, tmp_path):
    scores = []
    for number, model in enumerate((windowed_run, onnx_export)):
        path = tmp_path / f"{number}.json"
        options = "--model", model, "--data", split, "--json", path
        assert lact_asr("evaluate", *options).code == 0
        scores.append(json.loads(path.read_text()))
    assert scores[0]["wer"] == scores[1]["wer"]
    assert scores[0]["utterances"] == scores[1]["utterances"]


def test_sherpa_onnx_recognizes_the_same(
    lact_asr, windowed_run, onnx_export, twenty_files
):
    recognizer = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
        model=str(onnx_export / "model.onnx"), tokens=str(onnx_export / "tokens.txt")
    )
    lines = transcribe(lact_asr, windowed_run, twenty_files).splitlines()
    texts = [line.partition("\t")[2] for line in lines]
    assert len(texts) == 20 and len({*texts}) > 10 and all(texts)
    for line, expected in zip(lines, texts, strict=True):
        stream = recognizer.create_stream()
        samples, rate = soundfile.read(line.partition("\t")[0], dtype="float32")
        stream.accept_waveform(rate, samples)
        recognizer.decode_stream(stream)
        assert " ".join(stream.result.text.split()) == expected


@pytest.mark.parametrize(
    "options",
    [
        ("--ttt", "lact"),
        ("--chunk", "0.64"),
        ("--precision", "bf16"),
        ("--exit-block", "1"),
        ("--compile",),
        ("--avg-checkpoints", "1"),
    ],
    ids=str,
)
def test_options_that_a_graph_lacks_are_refused(
    lact_asr, onnx_export, audio_folder, options
):
    finished = lact_asr("transcribe", audio_folder, "--model", onnx_export, *options)
    assert finished.code == 2
    assert str(onnx_export) in finished.err.splitlines()[-1]


@pytest.mark.parametrize("command", ["push", "export"])
def test_what_wants_weights_names_what_has_them(
    lact_asr, onnx_export, tmp_path, command
):
    arguments = {
        "push": (onnx_export, "me/digits"),
        "export": (onnx_export, tmp_path / "export"),
    }
    finished = lact_asr(command, *arguments[command])
    assert (finished.code, finished.out) == (2, "")
    assert "give what it was exported of" in finished.err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_weights_of_a_language_model_are_those_of_pytorch(
    lact_asr, windowed_run, onnx_export, split, lm, tmp_path
):
    dev = split.rename(split.with_name("dev"))
    found = []
    for number, model in enumerate((windowed_run, onnx_export)):
        path = tmp_path / f"{number}.json"
        grid = "--lm-weights", "0,2", "--word-scores", "0,3", "--beam-size", 5
        options = "--data", dev, "--lm", lm, *grid, "--json", path
        assert lact_asr("tune-lm", "--model", model, *options).code == 0
        found.append(json.loads(path.read_text()))
    assert len(found[0]["trials"]["search"]) == 4
    assert found[0] == found[1]


def test_weights_of_8_bits(
    lact_asr, windowed_run, onnx_export, split, tmp_path, monkeypatch
):
    # the same graph, which takes long to make
    whole = onnx.load(onnx_export / "model.onnx")
    monkeypatch.setattr(graph, "make_graph", lambda _: whole)
    options = "--format", "onnx", "--quantize", "int8"
    assert lact_asr("export", windowed_run, tmp_path / "int8", *options).code == 0
    config = json.loads((tmp_path / "int8" / "config.json").read_text())
    assert config["onnx"]["quantize"] == "int8"
    kinds = onnx.load(tmp_path / "int8" / "model.onnx").graph.node
    assert "MatMulInteger" in {node.op_type for node in kinds}
    scores = []
    for model in onnx_export, tmp_path / "int8":
        path = tmp_path / "scores.json"
        options = "--model", model, "--data", split, "--json", path
        assert lact_asr("evaluate", *options).code == 0
        scores.append(json.loads(path.read_text())["cer"])
    assert scores[1] == pytest.approx(scores[0], rel=0.2)


def test_a_graph_in_python(windowed_run, onnx_export, audio_folder):
    files = sorted(audio_folder.iterdir())[:3]
    expected, model = (lact_modules.load(each) for each in (windowed_run, onnx_export))
    hypotheses = model.transcribe(files)
    assert [each.text for each in hypotheses] == [
        each.text for each in expected.transcribe(files)
    ]
    (scores, lengths), (others, other_lengths) = (
        each.log_probs(files) for each in (model, expected)
    )
    assert torch.equal(lengths, other_lengths)
    torch.testing.assert_close(scores, others, atol=1e-3, rtol=1e-4)
    with pytest.raises(InputError, match="no 'encode'") as caught:
        model.encode(files)
    assert str(onnx_export) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_graph_of_whole_utterances_takes_no_stream(
    lact_asr, onnx_export, audio_folder
):
    file = audio_folder / "noise-0.flac"
    finished = lact_asr("stream", file, "--model", onnx_export)
    assert finished.code == 2
    assert finished.err.count("\n") == 1
    assert "--streaming" in finished.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--streaming",), "--format onnx"),
        (("--format", "onnx", "--chunk", "0.32"), "--streaming"),
        # of a model that normalizes whole utterances
        (("--format", "onnx", "--streaming"), "normalization"),
        (("--format", "onnx", "--streaming", "--chunk", "0"), "chunks of 0.0 s"),
    ],
    ids=str,
)
def test_streaming_options_that_do_not_fit(
    lact_asr, windowed_run, tmp_path, options, message
):
    finished = lact_asr("export", windowed_run, tmp_path / "a", *options)
    assert (finished.code, message in finished.err) == (2, True)
    assert not (tmp_path / "a").exists()


def test_options_that_do_not_fit(lact_asr, windowed_run, tmp_path):
    plain = lact_asr("export", windowed_run, tmp_path / "a", "--quantize", "int8")
    assert (plain.code, "--format onnx" in plain.err) == (2, True)
    other = "--format", "onnx", "--quantize", "int3"
    finished = lact_asr("export", windowed_run, tmp_path / "a", *other)
    assert (finished.code, "int8" in finished.err) == (2, True)
    assert not (tmp_path / "a").exists()


def test_damaged_exports_are_named(lact_asr, onnx_copy, audio_folder):
    arguments = "transcribe", audio_folder, "--model", onnx_copy
    (onnx_copy / "vocabulary.txt").write_text("<blank>\n|\nA\n")
    assert "3 tokens" in lact_asr(*arguments).err
    (onnx_copy / "model.onnx").write_bytes(b"none")
    finished = lact_asr(*arguments)
    assert finished.code == 2
    assert "model.onnx: onnxruntime cannot read it" in finished.err
    onnx.save(parser.parse_model(OTHER), onnx_copy / "model.onnx")
    assert "not a recognizer of lact-asr" in lact_asr(*arguments).err


def test_without_the_extra(lact_asr, onnx_export, audio_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    finished = lact_asr("transcribe", audio_folder, "--model", onnx_export)
    assert finished.code == 2
    assert "pip install 'lact-asr[onnx]'" in finished.err
