"""The streaming recipe trains, and a stream hears what its chunks hear."""

import pytest
import torch

from lact_modules.data.audio import load_audio
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.inference.transcriber import Transcriber


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
    transcriber.model.encoder.chunking = recognizer.encoder.chunking
    given, accept = [], recognizer.decoder.accept

    def record(log_probs, heard):
        given.append(log_probs)
        return accept(log_probs, heard)

    monkeypatch.setattr(recognizer.decoder, "accept", record)
    for path in sorted((corpus / "dev").rglob("*.flac"))[:2]:
        waveform = load_audio(path)
        for piece in waveform.split(3000):
            recognizer.accept(piece)
        text = recognizer.finish()
        expected, lengths = transcriber.run_model([waveform])
        assert (
            expected.shape[1] == lengths.item() > 2 * recognizer.encoder.chunking.size
        )
        streamed = torch.cat(given)
        torch.testing.assert_close(streamed, expected[0], atol=1e-4, rtol=1e-4)
        assert text == transcriber.transcribe([waveform])[0].text
        given.clear()
