import random
import re
from functools import cache

import pytest

from lact_modules.scoring.error_rate import (
    count_stream_errors,
    count_word_errors,
    score,
)
from lact_modules.scoring.report import write_error_report


def test_counts_each_kind_of_error():
    rate = score(["A B C D", "E F"], ["A X C", "E F G"])
    assert (rate.substitutions, rate.deletions, rate.insertions) == (1, 1, 1)
    assert (rate.num_words, rate.num_utterances) == (6, 2)
    assert rate.wer == pytest.approx(50.0)


def test_rate_is_of_the_whole_set_not_a_mean_over_utterances():
    rate = score(["A", "B C D E F G H I J"], ["X", "B C D E F G H I J"])
    assert rate.wer == pytest.approx(10.0)


def test_characters_count_the_space_between_words():
    assert score(["AB CD"], ["ABCD"]).cer == pytest.approx(20.0)
    assert score(["AB CD"], ["AB  CD "]).cer == 0.0


def test_empty_hypothesis_is_all_deletions():
    rate = score(["ONE TWO", "TEN"], ["", ""])
    assert (rate.deletions, rate.substitutions, rate.insertions) == (3, 0, 0)
    assert rate.wer == rate.cer == 100.0


def test_empty_reference_counts_insertions():
    rate = score(["", "ONE TWO"], ["NOISE", "ONE TWO"])
    assert (rate.insertions, rate.num_words) == (1, 2)
    assert rate.wer == pytest.approx(50.0)
    assert score([""], ["A B"]).wer == pytest.approx(200.0)
    assert score([""], [""]).wer == 0.0


def test_interval_holds_the_rate_and_narrows_with_more_utterances():
    few = score(["A B C D"] * 20, ["A B C D"] * 10 + ["A B C X"] * 10)
    many = score(["A B C D"] * 500, ["A B C D"] * 250 + ["A B C X"] * 250)
    assert few.wer == many.wer == pytest.approx(12.5)
    for rate in (few, many):
        low, high = rate.wer_interval
        assert low < rate.wer < high
    # a mean of n fair coins has the standard deviation 0.5 / sqrt(n)
    low, high = many.wer_interval
    assert high - low == pytest.approx(2 * 1.96 * 25 * 0.5 / 500**0.5, rel=0.1)
    assert few.wer_interval[1] - few.wer_interval[0] > 3 * (high - low)


def test_interval_is_reproducible_and_can_be_left_out():
    references, hypotheses = ["A B", "C D", "E"], ["A", "C D", "X"]
    rates = [score(references, hypotheses, seed=seed) for seed in (1, 1, 2)]
    assert rates[0] == rates[1]
    without = score(references, hypotheses, num_bootstrap=0)
    assert without.wer_interval == (without.wer, without.wer)


@pytest.mark.parametrize(("references", "hypotheses"), [([], []), (["A"], [])])
def test_unequal_or_empty_lists_are_refused(references, hypotheses):
    with pytest.raises(ValueError, match="as many of both"):
        score(references, hypotheses)


def test_report_names_utterances_and_aligns_words(tmp_path):
    path = tmp_path / "wer_test.txt"
    write_error_report(path, ["1-1", "1-2"], ["ONE TWO", "TEN"], ["ONE", "TEN"])
    report = path.read_text()
    assert report.startswith("%WER 33.33 [ 1 / 3, 0 ins, 1 del, 0 sub ]")
    assert "1-1" in report and "1-2" in report
    assert "ONE ;  TWO" in report
    assert list(tmp_path.iterdir()) == [path]


def test_a_stream_is_aligned_with_all_references():
    texts = ["ONE TWO", "", "THREE FOUR FIVE", "SIX"]

    def count(hypothesis):
        return count_stream_errors(texts, hypothesis).tolist()

    right = [[0, 0, 0, 2], [0, 0, 0, 0], [0, 0, 0, 3], [0, 0, 0, 1]]
    assert count("ONE TWO THREE FOUR FIVE SIX") == right
    assert count("") == [[0, 0, 2, 2], [0, 0, 0, 0], [0, 0, 3, 3], [0, 0, 1, 1]]
    found = count("UM ONE TWO FREE FIVE SIX SIX OH")
    assert found[0] == [0, 1, 0, 2]
    assert found[2] == [1, 0, 1, 3]
    assert found[3] == [0, 2, 0, 1]


def test_a_stream_of_one_utterance_is_that_utterance():
    pair = ["A B C D"], ["A X C D E"]
    expected = count_word_errors(*pair).tolist()
    assert count_stream_errors(pair[0], pair[1][0]).tolist() == expected


def fewest_errors(references, hypotheses):
    """Edit distance by its definition."""

    @cache
    def count(i, j):
        if min(i, j) < 0:
            return max(i, j) + 1
        pair = count(i - 1, j - 1) + (references[i] != hypotheses[j])
        return min(pair, count(i - 1, j) + 1, count(i, j - 1) + 1)

    return count(len(references) - 1, len(hypotheses) - 1)


def random_texts(num, seed):
    """Few words, so that many alignments are as good; of more letters than one."""
    draw = random.Random(seed)
    words = ["A", "B", "CC", "DÉ", "é"]
    return [" ".join(draw.choices(words, k=draw.randrange(13))) for _ in range(num)]


def test_errors_are_the_fewest_by_definition():
    references, hypotheses = random_texts(60, seed=1), random_texts(60, seed=2)
    pairs = [
        (a.split(), b.split()) for a, b in zip(references, hypotheses, strict=True)
    ]
    counts = count_word_errors(references, hypotheses)
    assert counts[:, :3].sum(axis=1).tolist() == [fewest_errors(*p) for p in pairs]
    # each kind changes the number of words by its own
    longer = [len(b) - len(a) for a, b in pairs]
    assert (counts[:, 1] - counts[:, 2]).tolist() == longer
    assert counts[:, 3].tolist() == [len(a) for a, _ in pairs]
    characters = sum(map(fewest_errors, references, hypotheses))
    expected = 100 * characters / sum(map(len, references))
    assert score(references, hypotheses).cer == pytest.approx(expected)
    stream = count_stream_errors(references, " ".join(hypotheses))
    joined = fewest_errors(" ".join(references).split(), " ".join(hypotheses).split())
    assert stream[:, :3].sum() == joined


def test_a_report_has_the_counts_of_its_alignments(tmp_path):
    references, hypotheses = random_texts(40, seed=3), random_texts(40, seed=4)
    # ids may repeat
    write_error_report(tmp_path / "wer.txt", ["a", "b"] * 20, references, hypotheses)
    head, blocks = (tmp_path / "wer.txt").read_text().split("\na, %WER", 1)
    rate = score(references, hypotheses)
    found = f"{rate.insertions} ins, {rate.deletions} del, {rate.substitutions} sub"
    assert found in head
    blocks = re.split(r"\n=+\n[ab], %WER", blocks.removesuffix("\n"))
    for text, other, block in zip(references, hypotheses, blocks, strict=True):
        header, *rows = block.split("\n")
        reference_words, signs, hypothesis_words = (
            [cell.strip() for cell in row.split(";") if cell.strip()] for row in rows
        )
        counts = [signs.count(sign) for sign in "IDS"]
        assert "{} ins, {} del, {} sub".format(*counts) in header
        assert [word for word in reference_words if word != "<eps>"] == text.split()
        assert [word for word in hypothesis_words if word != "<eps>"] == other.split()
