"""Beam search for words that are spelled in pieces."""

import itertools
import math
from collections import defaultdict

import kenlm
import pytest
import torch

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import BeamDecoder, build_decoder
from lact_modules.decoding.hypothesis import Word
from lact_modules.decoding.search.beam_search import MAX_PIECES
from lact_modules.decoding.search.lexicon import read_lexicon
from lact_modules.decoding.stream.beam import BeamStream
from lact_modules.decoding.stream.decoder import build_stream_decoder
from lact_modules.errors import InputError
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams

RATE = 10.0
TEXT = ["ONE TWO TEN", "TWO ONE", "TEN TEN ONE", "TWO TWO ONE ONE"]
VOCABULARY = SubwordVocabulary.train(TEXT, num_tokens=12)
ID = {token: index for index, token in enumerate(VOCABULARY.tokens)}
# a whole word, words with a common beginning, equal pieces in a row
SPELLINGS = {
    "A": ("\u2581T",),
    "B": ("\u2581T", "W"),
    "C": ("\u2581T", "W", "W"),
    "D": ("\u2581ONE", "N"),
    "A2": ("\u2581T",),
}


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    write_arpa(path, estimate_ngrams(TEXT, order=2))
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Make a lexicon with spellings of its own, and a model of its words."""
    folder = tmp_path_factory.mktemp("own")
    lines = (f"{word} {' '.join(spelled)}\n" for word, spelled in SPELLINGS.items())
    (folder / "lexicon").write_text("".join(lines))
    text = ["A B", "A2 A C", "D B A2", "D", "A A"]
    write_arpa(folder / "lm.arpa", estimate_ngrams(text, order=2))
    return {"lexicon": folder / "lexicon", "lm": folder / "lm.arpa"}


def frames_of(*tokens):
    """Be sure of a token a frame; _ is the blank."""
    ids = torch.tensor([0 if token == "_" else ID[token] for token in tokens])
    likely = torch.nn.functional.one_hot(ids, len(VOCABULARY)).float()
    return (20 * likely).log_softmax(dim=-1)


def decode(decoder, log_probs):
    return decoder(log_probs[None], torch.tensor([len(log_probs)]))[0]


def sum_over_alignments(log_probs, pieces):
    """Return the log-probability of each sequence of pieces, from all paths."""
    likely = defaultdict(lambda: -math.inf)
    ids = [0, *(ID[piece] for piece in pieces)]
    for path in itertools.product(ids, repeat=len(log_probs)):
        score = sum(float(frame[i]) for frame, i in zip(log_probs, path, strict=True))
        pieces_of_path = tuple(token for token, _ in itertools.groupby(path) if token)
        likely[pieces_of_path] = torch.logaddexp(
            torch.tensor(likely[pieces_of_path]), torch.tensor(score)
        ).item()
    return likely


def test_scores_are_those_of_all_alignments_and_the_language_model(own):
    log_probs = torch.randn(5, len(VOCABULARY), generator=_seeded()).log_softmax(-1)
    pieces = sorted({piece for spelled in SPELLINGS.values() for piece in spelled})
    likely = sum_over_alignments(log_probs, pieces)
    decoder = BeamDecoder(
        VOCABULARY,
        RATE,
        beam_size=10_000,
        lm_weight=0.7,
        word_score=0.3,
        beam_threshold=1e3,
        num_best=10_000,
        **own,
    )
    found = decoder.n_best(log_probs[None], torch.tensor([5]))[0]
    reader = kenlm.Model(str(own["lm"]))
    expected = {}
    for count in range(6):
        for words in itertools.product(SPELLINGS, repeat=count):
            spelled = tuple(ID[p] for word in words for p in SPELLINGS[word])
            if spelled in likely:
                expected[" ".join(words)] = (
                    likely[spelled]
                    + 0.7 * reader.score(" ".join(words))
                    + 0.3 * len(words)
                )
    scores = {hypothesis.text: hypothesis.score for hypothesis in found}
    assert scores.keys() == expected.keys()
    assert scores == pytest.approx(expected, abs=1e-3)


def _seeded():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["\u2581T", "\u2581T", "\u2581T"], [("A", 0.0, 0.1)]),
        (["\u2581T", "_", "\u2581T"], [("A", 0.0, 0.1), ("A", 0.2, 0.3)]),
        (["\u2581T", "W", "W", "W"], [("B", 0.0, 0.2)]),
        (["_", "\u2581T", "_", "W", "_", "W"], [("C", 0.1, 0.6)]),
        (
            ["\u2581ONE", "\u2581ONE", "N", "\u2581T", "W"],
            [("D", 0.0, 0.3), ("B", 0.3, 0.5)],
        ),
    ],
    ids=str,
)
def test_pieces_last_and_repeat_as_ctc_has_it(own, pieces, words):
    decoder = BeamDecoder(VOCABULARY, RATE, lexicon=own["lexicon"])
    found = decode(decoder, frames_of(*pieces)).words
    assert [word.word.replace("A2", "A") for word in found] == [w for w, *_ in words]
    times = [time for word in found for time in (word.start, word.end)]
    assert times == pytest.approx([time for _, *two in words for time in two])


def test_an_n_gram_of_words_alone_spells_them_in_pieces(lm):
    decoder = build_decoder(VOCABULARY, RATE, beam_size=20, lm=lm)
    assert decoder.words == {"ONE", "TWO", "TEN"}
    spelled = [piece for piece in VOCABULARY.spell("TEN") for _ in range(2)]
    found = decode(decoder, frames_of(*spelled, "_", *VOCABULARY.spell("TWO")))
    assert found.text == "TEN TWO"
    assert found.words[1].start == pytest.approx((len(spelled) + 1) / RATE)


def test_without_either_any_spelling_may_come_out():
    decoder = build_decoder(VOCABULARY, RATE, beam_size=20)
    log_probs = frames_of("\u2581T", "N", "N", "_", "\u2581ONE", "_")
    log_probs[:, [1, 2, 3]] = 0.0
    assert decode(decoder, log_probs).words == (
        Word("TN", 0.0, 0.2),
        Word("ONE", 0.4, 0.5),
    )
    assert decode(decoder, frames_of("_", "_")).text == ""


def test_an_n_gram_of_pieces_weighs_each(tmp_path):
    spelled = [" ".join(VOCABULARY.spell(word)) for word in ("TEN", "TWO", "ONE")]
    write_arpa(tmp_path / "lm.arpa", estimate_ngrams(spelled * 9, order=2))
    decoder = BeamDecoder(VOCABULARY, RATE, lm=tmp_path / "lm.arpa")
    assert decoder.words is None
    assert decode(decoder, frames_of(*VOCABULARY.spell("TEN"))).text == "TEN"


def test_spellings_in_characters_are_respelled(tmp_path):
    (tmp_path / "lexicon").write_text("10 T E N |\nten \u2581T E N\nPHONES T EH N\n")
    lexicon = read_lexicon(tmp_path / "lexicon", VOCABULARY)
    assert lexicon == [("10", VOCABULARY.spell("TEN")), ("ten", ("\u2581T", "E", "N"))]


@pytest.mark.parametrize("preferred", [0, 5, 6, 14])
def test_any_of_many_homophones_may_be_the_best(tmp_path, preferred):
    names = [f"N{place}" for place in range(15)]
    (tmp_path / "lexicon").write_text("".join(f"{name} T E N\n" for name in names))
    text = [*names, *[f"{names[preferred]} {names[preferred]}"] * 5]
    write_arpa(tmp_path / "lm.arpa", estimate_ngrams(text, order=2))
    decoder = BeamDecoder(
        VOCABULARY, RATE, lm=tmp_path / "lm.arpa", lexicon=tmp_path / "lexicon"
    )
    spelled = VOCABULARY.spell("TEN")
    found = decode(decoder, frames_of(*spelled, "_", *spelled))
    assert found.text == f"{names[preferred]} {names[preferred]}"


@pytest.mark.parametrize("size", [1, 3, 20])
def test_a_stream_has_the_words_of_the_whole(lm, size):
    spelled = [*VOCABULARY.spell("TEN"), "_", *VOCABULARY.spell("TWO"), "_"]
    log_probs = frames_of(*spelled, *VOCABULARY.spell("ONE"), "_", "_")
    log_probs = (log_probs / 4).log_softmax(dim=-1)
    stream = build_stream_decoder(VOCABULARY, RATE, beam_size=30, lm=lm)
    assert isinstance(stream, BeamStream)
    state, shown = stream.start(), []
    for piece in log_probs.split(size):
        state = stream.accept(piece, state)
        stable, open_words = stream.words(state)
        shown.append([word.word for word in (*stable, *open_words)])
    whole = build_decoder(VOCABULARY, RATE, beam_size=30, lm=lm)
    assert stream.finish(state) == decode(whole, log_probs)
    assert shown[-1] == ["TEN", "TWO", "ONE"]
    if size == 1:
        # while it is spoken
        assert VOCABULARY.spell("TEN")[0].removeprefix("\u2581") in shown[0][0]
    other = stream.fork()
    assert other.finish(other.accept(log_probs, other.start())).text == "TEN TWO ONE"


def test_what_pieces_cannot_do_is_refused(tmp_path):
    write_arpa(tmp_path / "chars.arpa", estimate_ngrams(["O N | E"], 2, (), ["|"]))
    with pytest.raises(InputError, match=r"n-gram of characters, .* one of words"):
        BeamDecoder(VOCABULARY, RATE, lm=tmp_path / "chars.arpa")
    chinese = SubwordVocabulary.train(["\u4f60\u597d \u4e16\u754c"], num_tokens=9)
    (tmp_path / "words").write_text("\u4f60\u597d\n\u4e16\u754c\n")
    with pytest.raises(InputError, match="script without spaces"):
        BeamDecoder(chinese, RATE, lexicon=tmp_path / "words")
    (tmp_path / "other").write_text("six\nten\n")
    with pytest.raises(InputError, match="in upper case 1 of 2 would fit"):
        BeamDecoder(VOCABULARY, RATE, lexicon=tmp_path / "other")


def test_too_many_pieces_are_refused_before_a_table_of_all_steps():
    class Large(SubwordVocabulary):
        def __len__(self):
            return MAX_PIECES + 1

    with pytest.raises(InputError, match=r"beam_size 5: .* 1000 pieces .* attention"):
        build_decoder(Large(VOCABULARY.model), RATE, beam_size=5)


def test_characters_and_pieces_distinguish_words():
    characters = Vocabulary.from_texts(["ONE"])
    assert characters.is_word(characters.spell("ONE"))
    assert not characters.is_word(("O", "|"))
    assert VOCABULARY.is_word(VOCABULARY.spell("TEN"))
    for spelled in [(), ("N",), ("\u2581",), ("\u2581T", "\u2581T"), ("\u2581", "Q")]:
        assert not VOCABULARY.is_word(spelled)
