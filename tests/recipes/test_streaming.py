"""The streaming recipe trains, and a stream has the text of its chunks."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lact_modules.data.audio import load_audio
from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.data.manifest.manifest import read_manifest, write_manifest
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.inference.transcriber import Transcriber
from lact_modules.layers.chunking import Chunking
from lact_modules.training.dataset.stream_dataset import StreamDataset
from lact_modules.training.loop import RecipeBrain
from lact_modules.training.option.hparams import load_hparams

RECIPES = sorted(Path(__file__).parents[2].glob("recipes/**/*streaming*.yaml"))
# what the front end sees beyond a frame's 40 ms: its convolutions and its window
LOOK_AHEAD = 3 * 160 + 336


@pytest.fixture(scope="module")
def streaming(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("streaming") / "run"
    return folder, train(folder, hparams="lact_streaming_demo", test_splits="[dev]")


def test_trains_in_chunks(streaming):
    _, run = streaming
    assert run.code == 0
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert losses[-1] < losses[0]


def test_a_stream_gives_what_its_chunks_give(streaming, corpus, monkeypatch):
    folder, _ = streaming
    recognizer = StreamingRecognizer.from_export(folder)
    transcriber = Transcriber.from_folder(folder)
    transcriber.model.encoder.chunking = recognizer.chunking
    given, accept = [], recognizer.decoder.accept

    def record(log_probs, state):
        given.append(log_probs)
        return accept(log_probs, state)

    monkeypatch.setattr(recognizer.decoder, "accept", record)
    for path in sorted((corpus / "dev").rglob("*.flac"))[:2]:
        waveform = load_audio(path)
        for piece in waveform.split(3000):
            recognizer.accept(piece)
        text = recognizer.finish()
        expected, lengths = transcriber.run_model([waveform])
        assert expected.shape[1] == lengths.item() > 2 * recognizer.chunking.size
        streamed = torch.cat(given)
        torch.testing.assert_close(streamed, expected[0], atol=1e-4, rtol=1e-4)
        assert text == transcriber.transcribe([waveform])[0].text
        given.clear()


def test_there_are_recipes_for_streams():
    assert len(RECIPES) >= 3


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("size", [8, 16, 32])
def test_no_chunk_sees_what_follows_it(path, size, tmp_path):
    small = {"d_model": 64, "data_folder": "corpus", "output_folder": str(tmp_path)}
    model = load_hparams(path, small)["model"].eval()
    assert size in model.encoder.streaming_chunks.sizes
    model.encoder.chunking = Chunking(
        size, left=min(model.encoder.streaming_chunks.left_contexts)
    )
    waveform = (0.1 * torch.randn(1, 4 * 640 * size)).requires_grad_()
    log_probs, _ = model(waveform, torch.tensor([waveform.shape[1]]))
    for end in (size, 2 * size, 3 * size):
        seen = log_probs[:, end - size : end].square().sum()
        (gradient,) = torch.autograd.grad(seen, waveform, retain_graph=True)
        reached = gradient[0].nonzero().max().item()
        assert 640 * end - 160 <= reached < 640 * end + LOOK_AHEAD
        # and what came before is remembered
        assert gradient[0, :640].abs().max() > 0


def test_stopped_within_an_epoch_continues_with_the_same_streams(
    train, corpus, tmp_path, monkeypatch
):
    prepared = prepare_librispeech(corpus, tmp_path, ["train"])["train"]
    # whose speakers speak a sentence each
    utterances = [replace(u, speaker="1") for u in read_manifest(prepared)]
    write_manifest(tmp_path / "one.jsonl", utterances)
    options = {
        "train_manifest": tmp_path / "one.jsonl",
        "hparams": "lact_streaming_demo",
        "long_form_utterances": 2,
        "num_epochs": 2,
        "test_splits": "[dev]",
    }
    epochs = []
    log, set_epoch = RecipeBrain._log, StreamDataset.set_epoch

    def note_streams(dataset, epoch):
        set_epoch(dataset, epoch)
        epochs.append([entry["text"] for entry in dataset.data.values()])

    monkeypatch.setattr(StreamDataset, "set_epoch", note_streams)
    whole = train(tmp_path / "whole", **options)
    steps = len(whole.steps())
    first, second = epochs
    assert first != second

    def log_and_stop(brain, split, **values):
        log(brain, split, **values)
        if split == "train" and brain.optimizer_step == steps // 2 + 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RecipeBrain, "_log", log_and_stop)
        assert train(tmp_path / "run", **options).code == 143
    resumed = train(tmp_path / "run", **options)
    assert resumed.code == 0
    assert epochs[-1] == second

    def losses(run):
        return {entry["step"]: entry["loss"] for entry in run.metrics("train")}

    assert losses(resumed) == losses(whole)
