from types import SimpleNamespace

import pytest
import torch

from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.decoding.stream.endpoint import PartialHypothesis
from lact_modules.inference import latency
from lact_modules.inference.latency import LatencyMeter
from lact_modules.layers.chunking import Chunking

ONE, TWO, SIX = Word("ONE", 0.1, 0.5), Word("TWO", 0.6, 0.9), Word("SIX", 2.5, 3.01)


class FakeRecognizer:
    """Take 0.5 s for each call, and receive 1 s in it."""

    chunking = Chunking(size=8, left=50)
    model = SimpleNamespace(frame_rate=25.0)

    def __init__(self, stable, ended=()):
        self.seconds, self.now = 0.0, 0.0
        self.partial = PartialHypothesis((), ())
        self._steps = iter(zip(stable, ended, strict=True))
        self._ended = ()

    def accept(self, samples):
        self.seconds += len(samples) / 16000
        self.finish()

    def finish(self):
        self.now += 0.5
        stable, self._ended = next(self._steps)
        self.partial = PartialHypothesis(stable, (SIX,))

    def take(self):
        return self._ended


@pytest.fixture
def make_meter(monkeypatch):
    def make(stable, ended):
        recognizer = FakeRecognizer(stable, ended)
        clock = SimpleNamespace(perf_counter=lambda: recognizer.now)
        monkeypatch.setattr(latency, "time", clock)
        return LatencyMeter(recognizer)

    return make


def test_each_word_counts_once_when_it_is_stable(make_meter):
    utterance = Hypothesis.from_words([ONE, TWO], 0.0)
    another = Hypothesis.from_words([SIX], 0.0)
    meter = make_meter(
        stable=[(), (ONE,), (), ()], ended=[(), (), (utterance,), (another,)]
    )
    second = torch.zeros(16000)
    assert meter.accept(second) == ()
    assert meter.num_words == 0
    meter.accept(second)
    assert meter.accept(second) == (utterance,)
    assert meter.num_words == 2
    assert meter.finish() == (another,)
    # ONE at 2.5, TWO at 3.5; SIX at 4.0, and its last frame ends after the audio
    assert list(meter._latencies) == pytest.approx([2.0, 2.6, 1.0])
    assert meter.report() == (
        "3.0 s of audio, 3 words; real-time factor 0.667\n"
        "latency of words: mean 1.87 s, p50 2.00 s, p95 2.54 s; "
        "chunk 0.32 s, left context 2 s"
    )


def test_what_is_behind_stays_behind(make_meter):
    meter = make_meter(stable=[(), (), (), (ONE,)], ended=[()] * 4)
    for _ in range(4):
        meter.accept(torch.zeros(1600))
    # 0.1 + 4 * 0.5: computing is slower than speech
    assert list(meter._latencies) == pytest.approx([2.1 - 0.4])


def test_no_words(make_meter):
    meter = make_meter(stable=[()], ended=[()])
    meter.finish()
    assert meter.report().startswith("0.0 s of audio, 0 words; real-time factor 0.000;")
