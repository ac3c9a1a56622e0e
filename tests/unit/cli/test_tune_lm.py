import json
import shlex

import pytest
import yaml

from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams


@pytest.fixture
def dev(split):
    return split.rename(split.with_name("dev"))


@pytest.fixture
def tune(lact_asr, trained_run):
    def run(*arguments):
        return lact_asr("tune-lm", "--model", trained_run, *arguments)

    return run


def test_settings_that_are_printed_give_the_error_rate_that_was_found(
    tune, lact_asr, trained_run, dev, lm, tmp_path
):
    record = tmp_path / "tuned.json"
    grid = ("--lm-weights", "0,2,6", "--word-scores=-3,0,3", "--beam-size", 10)
    grid += ("--rescore-weights", "0,5", "--rescore-word-scores", "0,2")
    finished = tune("--data", dev, "--lm", lm, "--rescore", lm, *grid, "--json", record)
    assert finished.code == 0
    tuned = json.loads(record.read_text())
    trials = tuned["trials"]
    assert [len(trials["search"]), len(trials["rescoring"])] == [9, 4]
    best = min(trial["wer"] for trial in trials["rescoring"])
    assert best <= min(trial["wer"] for trial in trials["search"])
    printed = yaml.safe_load(finished.out[finished.out.index("decoding:") :])
    assert printed == {"decoding": tuned["decoding"]}
    [line] = [x for x in finished.out.splitlines() if x.startswith("  --beam-size")]
    scores = tmp_path / "scores.json"
    options = ("--data", dev, "--json", scores, *shlex.split(line))
    assert lact_asr("evaluate", "--model", trained_run, *options).code == 0
    assert json.loads(scores.read_text())["wer"] == pytest.approx(best)


def test_letters_have_no_words_to_score(tune, dev, tmp_path):
    lm = tmp_path / "letters.arpa"
    write_arpa(lm, estimate_ngrams(["A | B"], order=2))
    options = ("--data", dev, "--lm", lm, "--lm-weights", "1", "--beam-size", 5)
    finished = tune(*options)
    assert finished.code == 0
    assert "word-score" not in finished.out
    refused = tune(*options, "--word-scores", "1")
    assert refused.code == 2
    assert "word_score 1: counts the words of a lexicon" in refused.err


def test_rescoring_alone(tune, dev, lm):
    finished = tune("--data", dev, "--rescore", lm, "--beam-size", 5)
    assert finished.code == 0
    assert "--rescore-weight" in finished.out
    assert "--lm-weight" not in finished.out


def test_a_test_set_is_refused_unless_it_is_none(tune, split, lm):
    refused = tune("--data", split, "--lm", lm)
    assert (refused.code, refused.out) == (2, "")
    assert "test: a test set; tune on development data" in refused.err
    few = ("--lm-weights", "1", "--word-scores", "0", "--beam-size", 5)
    assert tune("--data", split, "--lm", lm, "--allow-test", *few).code == 0


def test_unusable_utterances_are_skipped_and_reported(tune, dev, lm):
    (dev / "7" / "1" / "7-1-0001.flac").write_bytes(b"not audio")
    finished = tune("--data", dev, "--rescore", lm, "--beam-size", 5)
    assert finished.code == 2
    assert "not transcribed: 7-1-0001: " in finished.err
    assert "--rescore-weight" in finished.out


def test_data_may_be_a_table(tune, dev, lm):
    table = dev.with_name("dev.csv")
    table.write_text("path,sentence\ndev/7/1/7-1-0000.flac,A B\n")
    grid = ("--lm-weights", "1", "--word-scores", "0", "--beam-size", 5)
    finished = tune("--data", table, "--lm", lm, *grid)
    assert finished.code == 0
    assert "1 transcribed, 0 failed" in finished.err


def test_faults_of_the_user(tune, dev, lm, tmp_path):
    for options, fault in (
        ((), "nothing to tune"),
        (("--lm", lm, "--lm-weights", "1;2"), "--lm-weights '1;2': expected numbers"),
        (("--lm", tmp_path / "none"), "none: no such language model"),
        (("--lm", lm, "--beam-size", 1), "needs beam search"),
    ):
        output = tmp_path / "out.json"
        finished = tune("--data", dev, *options, "--json", output)
        assert finished.code == 2
        assert fault in finished.err
        assert not output.exists()
