import torch

from lact_modules.scoring.worst import WorstUtterances


def add(worst, errors, num_words=4):
    """Add utterances of given numbers of errors, each as long as its place."""
    ids = [f"{len(worst.found)}-{count}" for count in errors]
    references = [" ".join("A" * num_words)] * len(errors)
    hypotheses = [" ".join("B" * count + "A" * (num_words - count)) for count in errors]
    lengths = torch.arange(1, len(errors) + 1)
    worst.add(ids, references, hypotheses, torch.ones(len(errors), 9), lengths)


def test_the_worst_of_all_batches_are_kept_the_worst_first():
    worst = WorstUtterances(3)
    add(worst, [1, 0, 3])
    add(worst, [2, 4])
    assert [each.wer for each in worst.found] == [100.0, 75.0, 50.0]
    assert [len(each.signal) for each in worst.found] == [2, 3, 1]


def test_an_utterance_without_errors_is_none():
    worst = WorstUtterances(3)
    add(worst, [0, 0])
    assert worst.found == []


def test_empty_hypotheses_and_words_in_noise_are_the_worst():
    worst = WorstUtterances(2)
    signals, lengths = torch.ones(3, 9), torch.tensor([9, 9, 9])
    texts = ["A B", "", "A B"], ["", "A B C", "A C"]
    worst.add(["silent", "noise", "wrong"], *texts, signals, lengths)
    assert [(each.name, each.wer) for each in worst.found] == [
        ("noise", 300.0),
        ("silent", 100.0),
    ]
    assert str(worst.found[1]) == "silent, WER 100 %\n  reference:  A B\n  hypothesis: "


def test_audio_of_none_may_be_wanted():
    worst = WorstUtterances(0)
    add(worst, [1, 2])
    assert worst.found == []
