"""Early exit by the commands that transcribe: the head's text, or a clear error."""

import json

import pytest
import torch

from lact_modules.decoding.ctc import GreedyDecoder
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.export import export_model
from lact_modules.model_store.loading import load_model


def transcribe_at_head(run, audio):
    """Return the text of the head's output while the whole model runs."""
    trained = load_model(run)
    outputs = []
    trained.model.encoder.heads["1"].register_forward_hook(
        lambda _, __, answer: outputs.append(answer[1])
    )
    transcriber = Transcriber(trained)
    waveform = transcriber.load(audio)
    _, lengths = transcriber.run_model([waveform])
    decoder = GreedyDecoder(trained.vocabulary, trained.model.frame_rate)
    return decoder(outputs[0], lengths)[0].text


@pytest.fixture(scope="module")
def audio(audio_folder):
    return audio_folder / "noise-1.flac"


def test_the_text_is_that_of_the_head(lact_asr, headed_run, audio, tmp_path):
    expected = transcribe_at_head(headed_run, audio)
    export_model(headed_run, tmp_path / "export")
    for model in (headed_run, tmp_path / "export"):
        given = ("--model", model, "--device", "cpu")
        early = lact_asr("transcribe", audio, *given, "--exit-block", 1)
        assert (early.code, early.out.strip()) == (0, expected)
    assert lact_asr("transcribe", audio, *given).out.strip() != expected


def test_evaluation_and_streams_exit_too(lact_asr, headed_run, audio, split, tmp_path):
    given = ("--model", headed_run, "--device", "cpu")
    report = tmp_path / "report.json"
    scored = lact_asr(
        *("evaluate", "--data", split, *given, "--exit-block", 1, "--json", report)
    )
    assert scored.code == 0
    scores = json.loads(report.read_text())
    assert scores["exit_block"] == 1
    first = split / "7" / "1" / "7-1-0001.flac"
    assert scores["utterances"][1]["hyp"] == transcribe_at_head(headed_run, first)
    chunk = ("--chunk", 0.32, "--exit-block", 1)
    streamed = lact_asr("stream", audio, *given, *chunk, "--format", "json")
    in_chunks = lact_asr("transcribe", audio, *given, *chunk)
    words = [json.loads(line)["text"] for line in streamed.out.splitlines()]
    assert " ".join(words) == in_chunks.out.strip()


def test_a_saved_stream_continues_with_the_same_exit_alone(
    lact_asr, headed_run, audio, tmp_path
):
    state = tmp_path / "state.pt"
    given = ("stream", audio, "--model", headed_run, "--device", "cpu")
    exits = ("--exit-block", 1)
    assert lact_asr(*given, *exits, "--save-state", state).code == 0
    assert lact_asr(*given, *exits, "--load-state", state).code == 0
    other = lact_asr(*given, "--load-state", state)
    assert other.code == 2
    assert other.err.endswith("with other --chunk, --left or --exit-block\n")


@pytest.mark.parametrize("command", ["transcribe", "evaluate", "stream", "serve"])
def test_an_exit_where_no_head_stands_is_refused(
    lact_asr, headed_run, trained_run, audio, split, command
):
    subject = {"transcribe": [audio], "evaluate": ["--data", split], "stream": [audio]}
    for run, words in (
        (headed_run, "the model has heads after 1"),
        (trained_run, "the model has none"),
    ):
        arguments = [*subject.get(command, ["--port", 0]), "--model", run]
        refused = lact_asr(command, *arguments, "--exit-block", 2)
        assert refused.code == 2
        expected = f"{run}: exit_block 2: no CTC head stands there; {words}\n"
        assert refused.err.endswith(expected)


def test_an_exit_has_no_traits_of_the_whole_model(headed_run):
    early, whole = load_model(headed_run, exit_block=1), load_model(headed_run)
    assert early.description is None
    assert early.statistics is None
    count = sum(parameter.numel() for parameter in early.model.parameters())
    assert count < 0.7 * sum(p.numel() for p in whole.model.parameters())
    assert torch.equal(
        early.model.output.weight, whole.model.encoder.heads["1"].output.weight
    )
