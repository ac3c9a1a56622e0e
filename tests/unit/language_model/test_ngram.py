import logging
import math
import os
import random
import shutil
import subprocess
from collections import Counter, defaultdict
from itertools import product

import pytest

from lact_modules.errors import InputError
from lact_modules.language_model.arpa import perplexity, write_arpa
from lact_modules.language_model.ngram import (
    FALLBACK_DISCOUNTS,
    NgramModel,
    estimate_ngrams,
)

LMPLZ = os.environ.get("LMPLZ") or shutil.which("lmplz")


def make_text(num_sentences: int, num_words: int, seed: int = 0) -> list[str]:
    """Each word favours a few successors, as in a language."""
    generator = random.Random(seed)
    sentences = []
    for _ in range(num_sentences):
        ids = [0]
        for _ in range(generator.randint(1, 10)):
            step = int(generator.paretovariate(0.8))
            ids.append((7 * ids[-1] + step) % num_words)
        sentences.append(" ".join(f"w{i}" for i in ids[1:]))
    return sentences


def by_gram(model: NgramModel) -> dict[tuple[str, ...], tuple[float, float]]:
    """Probability and back-off weight by n-gram."""
    return {
        tuple(model.words[i] for i in gram): (10**log_prob, 10**log_backoff)
        for table in model.tables
        for gram, log_prob, log_backoff in zip(
            table.grams, table.log_prob, table.log_backoff, strict=True
        )
    }


def probability(model: dict, history: tuple[str, ...], word: str) -> float:
    """Look a word up as a reader of ARPA does."""
    if (*history, word) in model:
        return model[(*history, word)][0]
    backoff = model[history][1] if history in model else 1.0
    return backoff * probability(model, history[1:], word)


def naive_kneser_ney(sentences: list[str], order: int):
    """Return p(word | history) by the textbook's recursion, without tables or rows."""
    counts: Counter = Counter()
    for sentence in sentences:
        words = ("<s>", *sentence.split(), "</s>")
        for n in range(1, order + 1):
            counts.update(words[i : i + n] for i in range(len(words) - n + 1))
    before = defaultdict(set)
    for gram in counts:
        before[gram[1:]].add(gram[0])
    adjusted = {
        gram: count if len(gram) == order or gram[0] == "<s>" else len(before[gram])
        for gram, count in counts.items()
        if gram != ("<s>",)
    }
    discounts = []
    for n in range(1, order + 1):
        of = Counter(count for gram, count in adjusted.items() if len(gram) == n)
        if all(of[i] for i in (1, 2, 3)):
            y = of[1] / (of[1] + 2 * of[2])
            discount = [i - (i + 1) * y * of[i + 1] / of[i] for i in (1, 2, 3)]
        if not all(of[i] for i in (1, 2, 3)) or min(discount) <= 0:
            discount = list(FALLBACK_DISCOUNTS)
        discounts.append([0.0, *discount])
    followers = defaultdict(dict)
    for gram, count in adjusted.items():
        followers[gram[:-1]][gram[-1]] = count
    # <unk> joins and <s> leaves.
    num_words = len({gram for gram in counts if len(gram) == 1})

    def probability(history: tuple[str, ...], word: str) -> float:
        lower = probability(history[1:], word) if history else 1 / num_words
        after = followers.get(history)
        if not after:
            return lower
        d = discounts[len(history)]
        total = sum(after.values())
        backoff = sum(d[min(count, 3)] for count in after.values()) / total
        count = after.get(word, 0)
        return (count - d[min(count, 3)]) / total + backoff * lower

    return probability


def test_small_model_worked_by_hand():
    model = by_gram(estimate_ngrams(["A B", "A"], order=2))
    # Distinct words before: A 1 (<s>), B 1 (A), </s> 2 (B, A); discounts 0.5, 0.5
    # and 1 of 4 go to the uniform distribution over <unk>, </s>, A and B.
    assert model["<unk>",][0] == pytest.approx(0.5 / 4)
    assert model["A",][0] == pytest.approx((1 - 0.5) / 4 + 0.5 / 4)
    assert model["</s>",][0] == pytest.approx((2 - 1) / 4 + 0.5 / 4)
    # <s> A twice; after A once B, once </s>.
    assert model["<s>",][1] == pytest.approx(1 / 2)
    assert model["<s>", "A"][0] == pytest.approx((2 - 1) / 2 + 1 / 2 * 0.25)
    assert model["A",][1] == pytest.approx((0.5 + 0.5) / 2)
    assert model["A", "B"][0] == pytest.approx((1 - 0.5) / 2 + 0.5 * 0.25)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_agrees_with_the_naive_recursion(order):
    sentences = make_text(300, num_words=20)
    model = by_gram(estimate_ngrams(sentences, order))
    expected = naive_kneser_ney(sentences, order)
    grams = [gram for gram in model if gram != ("<s>",)]
    for gram in random.Random(1).sample(grams, 200):
        assert model[gram][0] == pytest.approx(expected(gram[:-1], gram[-1]))
    for history in product(["w1", "w7", "w19"], repeat=order - 1):
        assert probability(model, history, "w3") == pytest.approx(
            expected(history, "w3")
        )


@pytest.mark.parametrize("prune", [(), (1,), (0, 2)])
def test_probabilities_of_a_history_sum_to_one(prune):
    model = by_gram(estimate_ngrams(make_text(300, num_words=20), 3, prune))
    words = {gram[0] for gram in model if len(gram) == 1} - {"<s>"}
    histories = [(), ("<s>",), ("<s>", "w1"), ("w3", "w5"), ("w2", "<unk>")]
    for history in histories:
        total = sum(probability(model, history, word) for word in words)
        assert total == pytest.approx(1.0)


def test_sentence_start_is_never_predicted():
    model = by_gram(estimate_ngrams(make_text(50, num_words=9), order=3))
    assert all("<s>" not in gram[1:] for gram in model)
    assert all("</s>" not in gram[:-1] for gram in model)
    assert model["<s>",][0] == 1.0


def test_pruning_leaves_out_rare_ngrams_only():
    sentences = make_text(200, num_words=15)
    full = estimate_ngrams(sentences, order=3)
    pruned = estimate_ngrams(sentences, order=3, prune=(0, 1))
    sizes = [[len(table.grams) for table in m.tables] for m in (full, pruned)]
    assert sizes[0][:2] == sizes[1][:2]
    assert 0 < sizes[1][2] < sizes[0][2]


def test_little_text_falls_back_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        model = estimate_ngrams(["ONE"], order=4)
    assert "2-grams: too little text" in caplog.text
    # The sentence has no 4-gram.
    assert [len(table.grams) for table in model.tables] == [4, 2, 1, 0]


@pytest.mark.parametrize(
    ("sentences", "order", "prune", "complaint"),
    [
        (["ONE"], 0, (), "order 0"),
        (["ONE"], 7, (), "order 7"),
        (["ONE"], 3, (2, 1), "prune"),
        (["ONE"], 3, (-2,), "prune"),
        (["", "  "], 3, (), "empty"),
        (["ONE </s>"], 3, (), "reserved"),
    ],
)
def test_bad_input_is_named(sentences, order, prune, complaint):
    with pytest.raises(InputError, match=complaint):
        estimate_ngrams(sentences, order, prune)


@pytest.mark.slow
@pytest.mark.skipif(not LMPLZ, reason="lmplz is neither on PATH nor in LMPLZ")
@pytest.mark.parametrize("order", [2, 3, 4, 5])
@pytest.mark.parametrize("prune", [(), (0, 1)])
@pytest.mark.parametrize("num_words", [10, 400])
def test_perplexity_is_that_of_lmplz(tmp_path, order, prune, num_words):
    if len(prune) >= order:
        pytest.skip("more thresholds than orders")
    sentences = make_text(20000, num_words)
    (tmp_path / "text").write_text("\n".join(sentences) + "\n")
    arguments = [LMPLZ, "--order", str(order), "--text", tmp_path / "text"]
    arguments += ["--arpa", tmp_path / "theirs", "-S", "200M", "--discount_fallback"]
    arguments += ["--prune", "0", *map(str, prune)] if prune else []
    subprocess.run(arguments, check=True, capture_output=True)
    write_arpa(tmp_path / "ours", estimate_ngrams(sentences, order, prune))
    unseen = make_text(1000, num_words, seed=1)
    theirs, ours = (perplexity(tmp_path / name, unseen) for name in ("theirs", "ours"))
    assert math.isclose(ours, theirs, rel_tol=1e-4)
