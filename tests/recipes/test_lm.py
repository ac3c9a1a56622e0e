import math
import re

import pytest

from lact_modules.data.corpus.librispeech import read_transcripts
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.language_model.transformer_lm import TransformerLanguageModel
from lact_modules.training.tracking.metrics_log import MetricsLog

# 20 transcripts make some 20 batches
TINY = {
    "device": "cpu",
    "num_tokens": 40,
    "d_model": 32,
    "num_layers": 1,
    "d_ffn": 64,
    "num_epochs": 1,
    "max_batch_tokens": 60,
    "warmup_steps": 5,
    "log_interval": 1,
}


@pytest.fixture(scope="module")
def train_lm(train):
    def run(folder, **options):
        options = {
            "recipe": "LM",
            "hparams": "transformer_demo",
            "tiny": TINY,
        } | options
        return train(folder, **options)

    return run


@pytest.fixture(scope="module")
def learned(train_lm, corpus, tmp_path_factory):
    """Learn four sentences by heart; not to be changed."""
    folder = tmp_path_factory.mktemp("learned")
    again = folder / "again.txt"
    again.write_text("\n".join(read_transcripts(corpus, ["dev"]) * 9))
    return train_lm(
        folder,
        train_splits="[dev]",
        text_files=f"[{again}]",
        dropout=0.0,
        learning_rate=0.01,
        num_epochs=4,
        avg_checkpoints=1,
        sample_interval=10,
    )


def test_perplexity_falls(learned):
    assert learned.code == 0
    losses = [entry["loss"] for entry in learned.metrics("train")]
    assert losses[0] > math.log(40)
    assert max(losses[-5:]) < 0.5
    dev = learned.metrics("dev")
    assert len(dev) == 4
    assert min(entry["perplexity"] for entry in dev) < 2
    assert re.search(r"sample \d+\n  reference: \w+.*\n  predicted: \w+", learned.log)


def test_result_has_perplexities(learned, corpus):
    result = learned.result
    assert result["recipe"] == "LibriSpeech/LM"
    assert result["model"] == "transformer_demo"
    assert result["training_wall_s"] > 0
    assert result["metrics"].keys() == {"dev", "test"}
    dev, test = (result["metrics"][split]["transformer"] for split in ("dev", "test"))
    assert dev["perplexity"] < 2 < test["perplexity"]
    assert f"test: perplexity {test['perplexity']:.2f} per token" in learned.log
    texts = read_transcripts(corpus, ["dev"])
    assert dev["num_texts"] == len(texts) == 4
    assert dev["num_words"] == sum(len(text.split()) + 1 for text in texts)
    assert dev["word_perplexity"] == pytest.approx(
        dev["perplexity"] ** (dev["num_tokens"] / dev["num_words"])
    )
    assert (learned.folder / "plots" / "loss.png").exists()


def test_the_loaded_model_has_the_perplexity_that_was_measured(learned, corpus):
    lm = TransformerLanguageModel.from_folder(learned.folder)
    for split in ("dev", "test"):
        measured = learned.result["metrics"][split]["transformer"]
        log_probs = [lm.log_probs([t])[0] for t in read_transcripts(corpus, [split])]
        perplexity = math.exp(-sum(log_probs) / measured["num_tokens"])
        assert perplexity == pytest.approx(measured["perplexity"], rel=1e-4)


@pytest.mark.parametrize("max_batch_tokens", [1, 10_000])
def test_padding_has_no_influence_on_perplexity(
    learned, train_lm, tmp_path, max_batch_tokens
):
    (tmp_path / "run").symlink_to(learned.folder)
    measured = learned.result["metrics"]
    again = train_lm(
        tmp_path / "run",
        train_splits="[dev]",
        test_only=None,
        max_batch_tokens=max_batch_tokens,
    )
    assert again.code == 0
    for split in ("dev", "test"):
        perplexity = again.result["metrics"][split]["transformer"]["perplexity"]
        expected = measured[split]["transformer"]["perplexity"]
        assert perplexity == pytest.approx(expected, rel=1e-5)


def test_goes_on_where_the_run_ended(train_lm, tmp_path):
    first = train_lm(tmp_path)
    assert first.code == 0
    steps = len(first.steps())
    assert steps > 5
    second = train_lm(tmp_path, num_epochs=2)
    assert second.steps() == list(range(1, 2 * steps + 1))
    assert second.checkpoints().keys() == {steps, 2 * steps}


def test_stopped_within_an_epoch_continues_with_the_next_batch(
    train_lm, tmp_path, monkeypatch
):
    options = {"sample_interval": 1, "checkpoint_interval": 4}
    whole = train_lm(tmp_path / "whole", **options)
    log = MetricsLog.log

    def log_or_stop(self, split, step, *arguments, **values):
        if step == 6:
            raise KeyboardInterrupt
        log(self, split, step, *arguments, **values)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "log", log_or_stop)
        with pytest.raises(KeyboardInterrupt):
            train_lm(tmp_path / "run", **options)
    resumed = train_lm(tmp_path / "run", **options)
    # step 5 came after the checkpoint, and is logged once
    assert resumed.steps() == whole.steps()
    assert samples(resumed) == samples(whole)


def samples(run):
    return dict(re.findall(r"step (\d+), sample (\S+)", run.log))


def test_a_given_tokenizer_and_further_text(train_lm, corpus, tmp_path):
    texts = read_transcripts(corpus, ["train"])
    SubwordVocabulary.train(texts, 50).save(tmp_path / "tokenizer.model")
    (tmp_path / "more.txt").write_text("\n".join([*texts, "ONE " * 300]))
    run = train_lm(
        tmp_path / "run",
        tokenizer=tmp_path / "tokenizer.model",
        text_files=f"[{tmp_path / 'more.txt'}]",
        num_tokens=50,
    )
    assert run.code == 0
    lm = TransformerLanguageModel.from_folder(run.folder)
    assert lm.vocabulary == SubwordVocabulary.load(tmp_path / "tokenizer.model")
    assert "train: 1 texts have more than 500 tokens" in run.log


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ({"num_tokens": 9999}, "give at most"),
        (
            {"tokenizer": "missing.model"},
            "--tokenizer missing.model: no such file or folder",
        ),
        ({"text_files": "[missing.txt]"}, "missing.txt: no such file or folder"),
        ({"max_text_tokens": 1}, "train: there is no text, or all is too long"),
        ({"grad_accumulation_factor": 999}, "accumulate fewer"),
    ],
)
def test_a_fault_is_one_line(train_lm, tmp_path, option, complaint):
    run = train_lm(tmp_path, **option)
    assert run.code == 2
    assert complaint in run.error.splitlines()[-1]
