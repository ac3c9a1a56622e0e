import torch

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import build_decoder
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.rescore import Rescorer, RescoringDecoder
from lact_modules.scoring.transcripts import Transcripts


def make_outputs(vocabulary, texts):
    """Log-probabilities that spell the texts, a frame a character, padded."""
    ids = [vocabulary.encode(text) for text in texts]
    lengths = torch.tensor([len(row) for row in ids])
    log_probs = torch.full((len(ids), int(lengths.max()), len(vocabulary)), -50.0)
    for row, utterance in zip(log_probs, ids, strict=True):
        row[torch.arange(len(utterance)), torch.tensor(utterance)] = 0.0
    return log_probs, lengths


def test_batches_are_joined_and_scored():
    vocabulary = Vocabulary.from_texts(["ABCDE"])
    transcripts = Transcripts({"greedy": build_decoder(vocabulary, 25.0)})
    transcripts.add(
        ["u1", "u2"], ["AB C", "D"], make_outputs(vocabulary, ["AB C", "E"])
    )
    transcripts.add(["u3"], ["A B"], make_outputs(vocabulary, ["A B"]))
    assert transcripts.ids == ["u1", "u2", "u3"]
    assert transcripts.hypotheses == {"greedy": ["AB C", "E", "A B"]}
    rates = transcripts.rates("greedy")
    assert rates.wer == 20.0
    assert (rates.substitutions, rates.insertions, rates.deletions) == (1, 0, 0)


def test_each_decoder_has_hypotheses_of_its_own():
    decoders = {
        "right": lambda texts: [Hypothesis(text, (), 0.0) for text in texts],
        "deaf": lambda texts: [Hypothesis("", (), 0.0) for _ in texts],
    }
    transcripts = Transcripts(decoders)
    transcripts.add(["u1"], ["ONE TWO"], (["ONE TWO"],))
    assert transcripts.rates("right").wer == 0.0
    assert transcripts.rates("deaf").wer == 100.0
    assert transcripts.rates("deaf", num_bootstrap=0).deletions == 2


class Ranked:
    """Finds the same texts in every utterance, and counts how often it searches."""

    def __init__(self, *texts):
        self.texts = texts
        self.num_searches = 0

    def n_best(self, batch):
        self.num_searches += 1
        found = [Hypothesis(text, (), -float(i)) for i, text in enumerate(self.texts)]
        return [found for _ in batch]

    def __call__(self, batch):
        return [found[0] for found in self.n_best(batch)]


class ByLength:
    """A language model that likes short texts."""

    def log_probs(self, texts):
        return [-10.0 * len(text) for text in texts]


def test_the_least_error_rate_of_lists_is_reported_where_there_are_lists():
    decoders = {
        "greedy": lambda batch: [Hypothesis("ONE", (), 0.0) for _ in batch],
        "beam": Ranked("ONE", "ONE TWO", "TEN"),
    }
    transcripts = Transcripts(decoders)
    transcripts.add(["u1", "u2"], ["ONE TWO", "SIX"], (["u1", "u2"],))
    assert transcripts.rates("beam").wer == transcripts.rates("greedy").wer
    assert transcripts.oracle_wer("greedy") is None
    assert round(transcripts.oracle_wer("beam"), 3) == 33.333


def test_rescoring_ranks_what_was_found_and_counts_the_time_of_both():
    search = Ranked("ONE TWO", "ONE")
    rescoring = RescoringDecoder(search, Rescorer(ByLength(), 1.0))
    transcripts = Transcripts({"beam": search, "rescored": rescoring})
    transcripts.add(["u1"], ["ONE"], (["u1"],))
    assert search.num_searches == 1
    assert transcripts.hypotheses == {"beam": ["ONE TWO"], "rescored": ["ONE"]}
    seconds = transcripts.decoding_s
    assert seconds["beam"] < seconds["rescored"] <= transcripts.all_decoding_s
    alone = Transcripts({"rescored": rescoring})
    alone.add(["u1"], ["ONE"], (["u1"],))
    assert search.num_searches == 2
    assert alone.hypotheses["rescored"] == ["ONE"]


def test_what_was_decoded_may_be_recorded_in_another_order():
    transcripts = Transcripts({"beam": Ranked("ONE", "TWO")})
    first, second = transcripts.decode((["u1", "u2"],))
    transcripts.record("u2", "TWO", second)
    transcripts.record("u1", "ONE", first)
    assert (transcripts.ids, transcripts.references) == (["u2", "u1"], ["TWO", "ONE"])
    assert (transcripts.rates("beam").wer, transcripts.oracle_wer("beam")) == (50, 0)
