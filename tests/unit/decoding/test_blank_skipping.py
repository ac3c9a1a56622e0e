"""Frames that are surely blank are passed over, and it does not show in the text."""

import pytest
import torch

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.blank_skipping import BlankSkipper, drop_blanks
from lact_modules.decoding.ctc import BeamDecoder
from lact_modules.decoding.ctc_prefix import PrefixScorer
from lact_modules.decoding.search.beam_search import BeamSearch
from lact_modules.decoding.stream.beam import BeamStream
from lact_modules.errors import InputError

VOCABULARY = Vocabulary.from_texts(["ONE TWO HELLO"])
TEXTS = ["__ON_E|||___TWO____", "___H_E_L_L_O______", "OO__O_________O||NE", "_____"]


def spell(frames, vocabulary=VOCABULARY, confidence=14.0):
    """Return (T, V) log-probabilities that favour a token a frame; ``_`` is blank."""
    ids = [vocabulary.tokens.index(each.replace("_", "<blank>")) for each in frames]
    generator = torch.Generator().manual_seed(len(ids))
    logits = torch.randn(len(ids), len(vocabulary), generator=generator)
    logits[torch.arange(len(ids)), ids] += confidence
    return logits.log_softmax(-1)


def decode(frames, **options):
    decoder = BeamDecoder(VOCABULARY, 10.0, beam_size=10, num_best=3, **options)
    return decoder.n_best(frames[None], torch.tensor([len(frames)]))[0]


@pytest.mark.parametrize("frames", TEXTS)
def test_texts_times_and_scores_stay(frames):
    all_, some = (decode(spell(frames), skip_blanks=p) for p in (None, 0.99))
    assert some[0].words == all_[0].words
    assert some[0].score == pytest.approx(all_[0].score, abs=1e-2)


def test_fewer_frames_are_searched():
    skipper, frames = BlankSkipper(0.99), spell("__ON_E|||___TWO____")
    assert len(skipper(frames)) == 13
    # the end is after all frames, those that were left out too
    assert [skipper.frame(i) for i in (-1, 0, 1, 12, 13)] == [-1, 0, 2, 15, 19]


def test_a_repeated_token_remains_repeated():
    assert decode(spell("O_______O"), skip_blanks=0.9)[0].text == "OO"


def test_pieces_of_a_stream_are_the_whole():
    frames = spell("__ON_E|||_____TWO____O")
    [expected, *_] = decode(frames, skip_blanks=0.99)
    stream = BeamStream(BeamSearch(VOCABULARY, 10.0, beam_size=10, skip_blanks=0.99))
    for size in (1, 4, 5):
        other = stream.fork()
        state = other.start(num_frames=20)
        for piece in frames.split(size):
            state = other.accept(piece, state)
        found = other.finish(state)
        assert found.text == expected.text
        assert found.score == pytest.approx(expected.score, abs=1e-4)
        for word, whole in zip(found.words, expected.words, strict=True):
            assert word.start == pytest.approx(whole.start + 2.0)
            assert word.end == pytest.approx(whole.end + 2.0)


def test_a_batch_loses_what_each_alone_does():
    frames = [spell(each) for each in TEXTS]
    batch = torch.nn.utils.rnn.pad_sequence(frames, True, torch.nan)
    lengths = torch.tensor([len(each) for each in frames])
    left, counts = drop_blanks(batch, lengths, 0.99)
    for each, mine, count in zip(frames, left, counts, strict=True):
        assert torch.equal(mine[:count], BlankSkipper(0.99)(each))


def test_scores_of_beginnings_stay():
    vocabulary = SubwordVocabulary.train(["ONE TWO", "TWO TEN"], num_tokens=12)
    frames = spell(
        [*"___", vocabulary.tokens[4], *"____", *vocabulary.tokens[4:6]], (vocabulary)
    )
    lengths, tokens = torch.tensor([len(frames)]), torch.tensor([[4]])
    begun = []
    for given in ((frames[None], lengths), drop_blanks(frames[None], lengths, 0.99)):
        scorer = PrefixScorer(*given)
        state = scorer.advance(scorer.start(), torch.tensor([0]), torch.tensor([4]))
        begun.append(scorer.extend(state, tokens))
    torch.testing.assert_close(*begun, atol=1e-2, rtol=0)


@pytest.mark.parametrize("threshold", [0.4, 1.0, float("nan"), -1])
def test_what_makes_no_blank_sure_is_refused(threshold):
    with pytest.raises(InputError, match="skip_blanks"):
        BlankSkipper(threshold)
