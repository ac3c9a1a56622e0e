import torch

from lact_modules.data.vocabulary import Vocabulary
from lact_modules.decoding.ctc import build_decoder
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.training.transcripts import Transcripts


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
