import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import (
    AutomaticSpeechRecognitionPipeline,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    pipeline,
)
from transformers.pipelines import automatic_speech_recognition

from lact_modules.data.audio import load_audio
from lact_modules.hf import SpeechRecognitionPipeline
from lact_modules.inference.transcriber import Transcriber
from tests.documents import examples


@pytest.fixture(scope="module", params=["exported", "exported_pieces"])
def folder(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def recognize(folder):
    return pipeline("automatic-speech-recognition", model=str(folder))


@pytest.fixture(scope="module")
def files(twenty_files):
    return [str(path) for path in sorted(twenty_files.iterdir())]


@pytest.fixture(scope="module")
def expected_hypotheses(folder, files):
    """The hypotheses of lact-asr for the files."""
    outcomes = Transcriber.from_folder(folder).transcribe_files(files)
    return [outcome.result for outcome in outcomes]


def texts(results):
    return [result["text"] for result in results]


def test_files_arrays_and_batches_are_recognized_as_by_lact_asr(
    recognize, files, expected_hypotheses
):
    expected = [hypothesis.text for hypothesis in expected_hypotheses]
    assert len(expected) == 20 and len({*expected}) > 10 and all(expected)
    arrays = [load_audio(file).numpy() for file in files]
    contents = Path(files[0]).read_bytes()
    assert texts(recognize(files)) == expected
    assert texts(recognize(files, batch_size=4)) == expected
    assert texts(recognize(arrays, batch_size=4)) == expected
    assert recognize(contents)["text"] == expected[0]


def test_words_have_their_times(recognize, files, expected_hypotheses):
    results = recognize(files, return_timestamps="word", batch_size=3)
    frame = recognize.model.config.inputs_to_logits_ratio / 16000
    for result, hypothesis in zip(results, expected_hypotheses, strict=True):
        assert result["text"] == hypothesis.text
        for chunk, word in zip(result["chunks"], hypothesis.words, strict=True):
            start, end = chunk["timestamp"]
            assert (chunk["text"], start) == (word.word, pytest.approx(word.start))
            # no end is after the file's, there
            assert word.end - 1e-6 <= end < word.end + frame


def test_tokens_have_their_times(recognize, files, expected_hypotheses):
    result = recognize(files[0], return_timestamps="char")
    spelled = "".join(chunk["text"] for chunk in result["chunks"])
    assert " ".join(spelled.split()) == expected_hypotheses[0].text
    times = [time for chunk in result["chunks"] for time in chunk["timestamp"]]
    assert times == sorted(times)


def test_one_chunk_is_the_whole(recognize, files, expected_hypotheses):
    results = recognize(files, chunk_length_s=10, batch_size=2)
    assert texts(results) == [hypothesis.text for hypothesis in expected_hypotheses]


def test_chunks_are_joined_where_they_meet(recognize):
    generator = torch.Generator().manual_seed(0)
    # the last chunk ends early in a frame
    samples = 0.2 * torch.randn(46_200, generator=generator).numpy()
    model, tokenizer = recognize.model, recognize.tokenizer
    frame = model.config.inputs_to_logits_ratio
    chunk, stride, ids = 40 * frame, 3 * frame, []
    for start in range(0, len(samples) - 2 * stride, chunk - 2 * stride):
        piece = torch.from_numpy(samples[None, start : start + chunk])
        best = model(piece).logits[0].argmax(dim=-1)
        is_last = start + chunk >= len(samples)
        ids += best[3 if start else 0 : None if is_last else -3].tolist()
    seconds = {"chunk_length_s": chunk / 16000, "stride_length_s": stride / 16000}
    joined = recognize(samples, batch_size=2, **seconds)["text"]
    assert joined == tokenizer.decode(ids)
    assert joined != recognize(samples)["text"]


def test_other_rates_are_resampled_as_lact_asr_does(recognize, folder, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 12_000).astype(np.float32)
    path = tmp_path / "noise.wav"
    soundfile.write(path, noise, 8000, subtype="FLOAT")
    [expected] = Transcriber.from_folder(folder).transcribe(path)
    assert recognize(str(path))["text"] == expected.text
    given = {"array": noise, "sampling_rate": 8000}
    assert recognize(given)["text"] == expected.text
    assert set(given) == {"array", "sampling_rate"}


def test_models_of_other_kinds_read_files_as_ever(files, monkeypatch):
    config = Wav2Vec2Config(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        conv_dim=(8,),
        conv_kernel=(10,),
        conv_stride=(5,),
        num_conv_pos_embeddings=2,
        num_conv_pos_embedding_groups=1,
    )
    read = []
    monkeypatch.setattr(
        automatic_speech_recognition,
        "ffmpeg_read",
        lambda content, rate: read.append(rate) or np.zeros(400, np.float32),
    )
    model = Wav2Vec2ForCTC(config)
    recognize = SpeechRecognitionPipeline(
        model, feature_extractor=Wav2Vec2FeatureExtractor()
    )
    assert isinstance(recognize, AutomaticSpeechRecognitionPipeline)
    [item] = recognize.preprocess(files[0])
    assert (read, item["input_values"].shape) == ([16000], (1, 400))


def test_the_pages_examples_run_with_the_folders_own_code(exported, files, tmp_path):
    (tmp_path / "DIR").symlink_to(exported)
    soundfile.write(tmp_path / "talk.flac", *soundfile.read(files[1]))
    (tmp_path / "run.py").write_text("\n".join(examples("transformers.md", "python")))
    finished = subprocess.run(
        [sys.executable, "run.py"],
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    [hypothesis] = Transcriber.from_folder(exported).transcribe(tmp_path / "talk.flac")
    assert finished.stdout.splitlines()[:2] == [hypothesis.text] * 2
