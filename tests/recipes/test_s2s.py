import shutil

import pytest
import soundfile
import torch

from lact_modules.data.corpus.librispeech import read_transcripts
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.export import export_model

STEPS = 120
# small enough for four sentences, and larger than their alphabet
MODEL = {
    "d_model": 64,
    "d_ffn": 128,
    "num_tokens": 40,
    "num_decoder_layers": 1,
    "frontend": "{channels: 8, dropout: 0.0}",
    "dropout": 0.0,
}


@pytest.fixture(scope="module")
def train_s2s(train):
    def run(folder, **options):
        return train(folder, recipe="ASR/transformer", **{**MODEL, **options})

    return run


@pytest.fixture(scope="module")
def memorized(train_s2s, by_heart, tmp_path_factory):
    """Learn four sentences by heart; not to be changed."""
    return train_s2s(
        tmp_path_factory.mktemp("memorized"),
        label_smoothing=0.0,
        num_epochs=30,
        decoding="{beam_size: 4}",
        **by_heart,
    )


def test_loss_falls_until_the_sentences_are_known(memorized):
    assert memorized.code == 0, memorized.error
    losses = [entry["loss"] for entry in memorized.metrics("train")]
    assert memorized.steps() == list(range(1, STEPS + 1))
    assert losses[0] > 3
    assert max(losses[-10:]) < 0.5


def test_each_decoder_is_measured(memorized):
    result = memorized.result
    assert result["recipe"] == "LibriSpeech/ASR/transformer"
    assert result["metrics"]["dev"].keys() == {"ctc", "greedy", "beam"}
    for metrics in result["metrics"]["dev"].values():
        assert metrics["wer"] <= 10
    for name in ("", "_greedy", "_beam"):
        lines = (memorized.folder / f"transcripts_dev{name}.jsonl").read_text()
        assert len(lines.splitlines()) == 4


def test_run_and_export_transcribe_what_was_learned(memorized, corpus, tmp_path):
    export_model(memorized.folder, tmp_path / "export")
    references = read_transcripts(corpus, ["dev"])
    waveforms = [
        torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        for path in sorted(corpus.glob("dev/*/*/*.flac"))
    ]
    for folder in (memorized.folder, tmp_path / "export"):
        hypotheses = Transcriber.from_folder(folder, beam_size=4).transcribe(waveforms)
        matches = [
            h.text == text for h, text in zip(hypotheses, references, strict=True)
        ]
        assert sum(matches) >= 3


def test_language_models_join_the_search_and_rank_again(
    memorized, train, train_s2s, tmp_path
):
    lm = train(
        tmp_path / "lm",
        recipe="LM",
        hparams="transformer_demo",
        tiny={"device": "cpu", "d_model": 32, "num_layers": 1, "d_ffn": 64},
        train_splits="[dev]",
        num_tokens=MODEL["num_tokens"],
        tokenizer=memorized.folder,
        num_epochs=1,
    )
    assert lm.code == 0, lm.error
    folder = shutil.copytree(memorized.folder, tmp_path / "run")
    decoding = f"beam_size: 4, lm: {lm.folder}, lm_weight: 0.1, rescore: {lm.folder}"
    run = train_s2s(
        folder,
        train_splits="[dev]",
        test_splits="[dev]",
        test_only=None,
        decoding=f"{{{decoding}}}",
    )
    assert run.code == 0, run.error
    metrics = run.result["metrics"]["dev"]
    assert metrics.keys() == {"ctc", "greedy", "beam", "beam+tlm", "rescored"}
    assert metrics["beam+tlm"]["wer"] <= 10
    assert metrics["rescored"]["oracle_wer"] <= metrics["rescored"]["wer"]


def test_resumes_where_it_stood(train_s2s, tmp_path):
    first = train_s2s(tmp_path, num_epochs=1)
    assert first.code == 0, first.error
    assert first.steps() == list(range(1, 11))
    again = train_s2s(tmp_path, num_epochs=2)
    assert again.steps() == list(range(1, 21))


def test_takes_a_given_tokenizer_and_keeps_it(train_s2s, corpus, tmp_path):
    texts = (line for path in corpus.rglob("*.txt") for line in path.open())
    given = SubwordVocabulary.train(texts, num_tokens=50)
    given.save(tmp_path / "given.model")
    options = {"tokenizer": tmp_path / "given.model", "num_tokens": 50}
    run = train_s2s(tmp_path / "run", **options)
    assert run.code == 0, run.error
    assert SubwordVocabulary.load(run.folder / "tokenizer.model") == given
    SubwordVocabulary.train(["ANOTHER TEXT"], num_tokens=13).save(tmp_path / "other")
    other = train_s2s(run.folder, tokenizer=tmp_path / "other", num_tokens=13)
    assert other.code == 2
    assert "tokenizer" in other.error
    assert len(other.error.splitlines()) == 1


def test_number_of_tokens_must_be_the_tokenizers(memorized, train_s2s, tmp_path):
    folder = shutil.copytree(memorized.folder, tmp_path / "run")
    run = train_s2s(folder, num_tokens=41, num_epochs=31)
    assert run.code == 2
    assert "num_tokens: 41" in run.error
    assert "has 40" in run.error


def test_bf16_and_accumulation_train(train_s2s, tmp_path):
    run = train_s2s(tmp_path, precision="bf16", grad_accumulation_factor=2)
    assert run.code == 0, run.error
    assert run.steps() == [1, 2, 3, 4, 5]
    assert all(entry["grad_norm"] > 0 for entry in run.metrics("train"))
