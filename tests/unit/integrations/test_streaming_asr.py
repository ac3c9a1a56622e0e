"""The methods of SpeechBrain's StreamingASR give the words of the recognizer."""

import inspect

import pytest
import soundfile
import torch
from speechbrain.inference.ASR import StreamingASR as SpeechBrainStreamingASR
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from lact_modules.errors import InputError
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.integrations.streaming_asr import StreamingASR
from tests.documents import examples

CONFIG = DynChunkTrainConfig(chunk_size=8, left_context_size=4)


@pytest.fixture(scope="module")
def asr(streaming_run):
    return StreamingASR.from_hparams(streaming_run)


def make_samples(seconds, seed=1):
    generator = torch.Generator().manual_seed(seed)
    noise = 0.3 * torch.randn(int(16000 * seconds), generator=generator)
    return (noise * torch.linspace(0, 20, len(noise)).sin().abs()).clamp(-1, 1)


@pytest.fixture(scope="module")
def recognize(streaming_run):
    recognizer = StreamingRecognizer.from_export(
        streaming_run, chunk_seconds=0.32, left_seconds=1.28
    )

    def recognize(samples):
        recognizer.accept(samples)
        return recognizer.finish()

    return recognize


def test_a_file_is_transcribed(asr, recognize, tmp_path):
    samples = make_samples(4.0)
    soundfile.write(tmp_path / "a.wav", samples.numpy(), 16000, subtype="FLOAT")
    texts = list(asr.transcribe_file_streaming(tmp_path / "a.wav", CONFIG))
    expected = recognize(samples)
    assert len(expected.split()) > 2
    assert "".join(texts) == expected
    assert sum(map(bool, texts)) > 1
    assert asr.transcribe_file(tmp_path / "a.wav", CONFIG) == expected


def test_streams_of_a_batch_may_end_at_different_times(asr, recognize):
    size = asr.get_chunk_size_frames(CONFIG)
    assert size == 5120
    lengths = [3 * size, 2 * size + 1000, 4 * size]
    streams = [make_samples(n / 16000, seed) for seed, n in enumerate(lengths)]
    padded = torch.full((3, 5 * size), torch.nan)
    for row, samples in zip(padded, streams, strict=True):
        row[: len(samples)] = samples
    context, texts = asr.make_streaming_context(CONFIG), [""] * 3
    for index, chunk in enumerate(padded.split(size, dim=1)):
        left = torch.tensor(lengths) - index * size
        news = asr.transcribe_chunk(context, chunk, left.clamp(0, size) / size)
        texts = [text + new for text, new in zip(texts, news, strict=True)]
    assert texts == [recognize(samples) for samples in streams]
    assert len(set(texts)) == 3
    with pytest.raises(ValueError, match="2 streams; there were 3"):
        asr.transcribe_chunk(context, torch.zeros(2, size))


def test_the_examples_of_the_page_run(streaming_run, tmp_path, monkeypatch, capsys):
    samples = make_samples(4.0)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "lact_streaming").symlink_to(streaming_run)
    # read by its content
    soundfile.write(tmp_path / "meeting.mp3", samples.numpy(), 16000, format="WAV")
    monkeypatch.chdir(tmp_path)
    pieces = samples.split(3000)
    names = {"microphone": pieces, "chunks": [piece[None] for piece in pieces]}
    recognizers, speechbrains, _ = examples("streaming.md", "python")
    for block in (recognizers, speechbrains):
        exec(block, names)
    printed = capsys.readouterr().out
    assert names["recognizer"].seconds == pytest.approx(4.0)
    assert names["asr"].transcribe_file("meeting.mp3", names["config"]) in printed
    assert len(names["texts"]) == 1


def test_contexts_of_one_configuration_share_what_is_large(asr):
    first, second = (asr.make_streaming_context(CONFIG) for _ in range(2))
    other = asr.make_streaming_context(DynChunkTrainConfig(16, 2))
    assert first.recognizer is second.recognizer
    assert first.recognizer.model is other.recognizer.model
    with pytest.raises(InputError, match="left_context_size None"):
        asr.make_streaming_context(DynChunkTrainConfig(8))


def test_methods_are_called_as_those_of_speechbrain():
    for name in (
        *("transcribe_file", "transcribe_file_streaming", "make_streaming_context"),
        *("get_chunk_size_frames", "transcribe_chunk"),
    ):
        ours, theirs = (
            list(inspect.signature(getattr(kind, name)).parameters)
            for kind in (StreamingASR, SpeechBrainStreamingASR)
        )
        assert ours == theirs[: len(ours)]
