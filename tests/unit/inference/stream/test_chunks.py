"""Utterances are recognized offline in the chunks of a stream."""

from functools import partial

import pytest
import torch

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.encoders import CTCModel, Encoder
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend, Wav2Vec2Frontend
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.inference.transcriber import Transcriber
from lact_modules.layers import AttentionMixer, BiMambaMixer, FeedForward, LaCTMixer
from lact_modules.model_store.trained_model import TrainedModel

LACT = partial(LaCTMixer, 16, 2, 2)


def make_trained(mixer=LACT, frontend=None):
    torch.manual_seed(0)
    encoder = Encoder(16, 2, mixer, partial(FeedForward, 16, 32))
    vocabulary = Vocabulary.from_texts(["ABCDE"])
    frontend = frontend or MelFrontend(16, channels=4, normalization="running")
    model = CTCModel(frontend, encoder, len(vocabulary)).eval()
    torch.nn.init.normal_(model.output.weight, std=2.0)
    return TrainedModel(model, vocabulary, None)


@pytest.fixture(scope="module")
def waveforms():
    generator = torch.Generator().manual_seed(0)
    return [0.3 * torch.randn(n, generator=generator) for n in (48000, 20000, 0)]


def test_a_batch_is_recognized_as_streams_are(waveforms):
    trained = make_trained()
    seconds = {"chunk_seconds": 0.32, "left_seconds": 1.0}
    recognizer = StreamingRecognizer(trained, **seconds)
    transcriber = Transcriber(trained, **seconds)
    found = transcriber.transcribe(waveforms)
    for hypothesis, waveform in zip(found, waveforms, strict=True):
        recognizer.accept(waveform)
        assert hypothesis.text == recognizer.finish()
    assert len({hypothesis.text for hypothesis in found}) == 3


def test_chunks_of_one_transcriber_are_no_other_s(waveforms):
    trained = make_trained()
    whole = Transcriber(trained)
    expected, _ = whole.run_model(waveforms)
    chunked, _ = Transcriber(trained, chunk_seconds=0.32).run_model(waveforms)
    assert torch.equal(whole.run_model(waveforms)[0], expected)
    assert not torch.allclose(chunked, expected, atol=1e-3)
    # one chunk of the whole
    at_once, _ = Transcriber(trained, chunk_seconds=10.0).run_model(waveforms)
    assert torch.allclose(at_once, expected, atol=1e-4)


def test_another_front_end_may_need_the_whole(waveforms):
    trained = make_trained(frontend=Wav2Vec2Frontend(16, channels=8, norm="layer"))
    for seconds in (0.32, 10.0):
        transcriber = Transcriber(trained, chunk_seconds=seconds)
        log_probs, lengths = transcriber.run_model(waveforms[:2])
        assert log_probs.shape[1] == lengths.max()


@pytest.mark.parametrize(
    ("mixer", "fault"),
    [
        (partial(BiMambaMixer, 16, d_state=4), "bidirectional=False"),
        (partial(AttentionMixer, 16, 2, positions="relpos"), "relpos"),
    ],
)
def test_an_encoder_that_needs_the_whole_is_refused(mixer, fault):
    with pytest.raises(InputError, match=f"cannot run in chunks.*{fault}"):
        Transcriber(make_trained(mixer), chunk_seconds=0.64)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"left_seconds": 1.0}, "left 1.0 s: needs a chunk"),
        ({"chunk_seconds": 0.01}, "chunks of 0.01 s"),
        ({"chunk_seconds": 0.64, "left_seconds": -1.0}, "left context -1.0 s"),
        ({"chunk_seconds": float("nan")}, "chunks of nan s"),
        ({"chunk_seconds": float("inf")}, "chunks of inf s"),
        ({"chunk_seconds": 0.64, "ttt": {"method": "lact"}}, "whole utterances"),
    ],
)
def test_options_that_do_not_fit(options, fault):
    with pytest.raises(InputError, match=fault):
        Transcriber(make_trained(), **options)
