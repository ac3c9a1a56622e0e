"""The mixer of docs/extending.md: it trains, streams and keeps the contract."""

import sys

import pytest
import torch

from lact_modules import layers
from lact_modules.data.audio import load_audio
from lact_modules.inference.streaming import StreamingRecognizer
from tests.documents import ROOT, examples

BASE = ROOT / "recipes/LibriSpeech/ASR/CTC/hparams/conformer_streaming_demo.yaml"


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Write the page's file where the page says; return its other example."""
    mixer, example = examples("extending.md", "python")
    (tmp_path / "shift.py").write_text(mixer)
    monkeypatch.setattr(layers, "__path__", [*layers.__path__, str(tmp_path)])
    yield example
    sys.modules.pop("lact_modules.layers.shift")


def test_the_mixer_trains_and_streams(python, train, corpus, tmp_path):
    [encoder] = examples("extending.md", "yaml")
    *copied, _ = encoder.splitlines(keepends=True)
    text = BASE.read_text()
    assert "".join(copied) in text
    text = text.replace("".join(copied), encoder).replace("../../../../..", f"{ROOT}")
    (tmp_path / "own.yaml").write_text(text)
    run = train(tmp_path / "run", hparams=tmp_path / "own", test_splits="[dev]")
    assert run.code == 0, run.error
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert losses[-1] < losses[0]
    recognizer = StreamingRecognizer.from_export(run.folder)
    assert "ShiftMixer" in repr(recognizer.model)
    waveform = load_audio(next((corpus / "dev").rglob("*.flac")))
    texts = set()
    for size in (900, 16_000):
        for piece in waveform.split(size):
            recognizer.accept(piece)
        texts.add(recognizer.finish())
    assert len(texts) == 1


def test_the_mixer_keeps_the_contract(python):
    names = {}
    exec(python, names)
    encoder = names["encoder"].eval()
    x, lengths = torch.randn(2, 9, 16), torch.tensor([9, 4])
    output, _ = encoder(x, lengths)
    x[1, 4:] = torch.nan
    alone, _ = encoder(x[1:, :4], lengths[1:])
    torch.testing.assert_close(encoder(x, lengths)[0], output)
    torch.testing.assert_close(alone[0], output[1, :4])
