"""Test-time training of a recognizer that knows its language, in noise."""

import json
import shutil

import pytest
import soundfile
import torch
from speechbrain.utils.checkpoints import Checkpointer

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams
from lact_modules.model_store.trained_model import load_run
from tests.unit.adaptation import tones

NOISES = (0.05, 0.1, 0.2, 0.3)


@pytest.fixture(scope="module")
def run(trained_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones") / "run"
    shutil.copytree(trained_run, folder)
    model = tones.train(load_run(folder).model)
    tones.measure(model).save(folder / "clean_statistics.json")
    Checkpointer(folder / "save", {"model": model}).save_checkpoint(meta={"WER": 1.0})
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Write sentences in noise, and recordings of many of them."""
    folder = tmp_path_factory.mktemp("data")

    def write(name, parts):
        signal = torch.cat([tones.synthesize(*part) for part in parts])
        path = folder / f"{name}.wav"
        soundfile.write(path, signal.clamp(-1, 1).numpy(), 16000)
        return Utterance(name, str(path), " ".join(text for text, *_ in parts), 0.0)

    utterances = [
        (text, noise, seed)
        for noise in NOISES
        for seed, text in enumerate(tones.draw_texts(12, seed=round(5000 * noise)))
    ]
    write_manifest(
        folder / "sentences.jsonl",
        [write(f"s{index}", [part]) for index, part in enumerate(utterances)],
    )
    write_manifest(
        folder / "recordings.jsonl",
        [write(f"r{i}", utterances[i : i + 12]) for i in range(0, len(utterances), 12)],
    )
    write_arpa(
        folder / "lm.arpa", estimate_ngrams(tones.draw_texts(100, seed=1), order=2)
    )
    return folder


@pytest.fixture
def evaluate(lact_asr, run, data, tmp_path):
    def errors(name, *options):
        output = tmp_path / "scores.json"
        command = ["evaluate", "--model", run, "--data", data / f"{name}.jsonl"]
        command += ["--avg-checkpoints", 1, "--json", output]
        assert lact_asr(*command, *options).code == 0
        return json.loads(output.read_text())

    return errors


def test_beside_a_language_model_it_does_no_harm(evaluate, data):
    search = ["--lm", data / "lm.arpa", "--beam-size", 8]
    alone = evaluate("sentences", *search)
    both = evaluate("sentences", *search, "--ttt", "lact")
    assert both["ttt"]["kept_unadapted"] < 0.75 * both["ttt"]["utterances"]
    assert 0 < both["wer"] <= alone["wer"] < evaluate("sentences")["wer"]
