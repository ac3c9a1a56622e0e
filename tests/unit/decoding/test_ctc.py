import itertools
import math
import re
from collections import defaultdict

import kenlm
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import BeamDecoder, GreedyDecoder, build_decoder
from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.errors import InputError
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams

VOCABULARY = Vocabulary.from_texts(["ONE TWO"])
FRAME_RATE = 10.0


def spell(frames: str, confidence: float = 8.0) -> torch.Tensor:
    """Return (T, V) log-probabilities that favour a token a frame; ``_`` is blank."""
    ids = [VOCABULARY.tokens.index(token.replace("_", "<blank>")) for token in frames]
    # No two alike: flashlight cuts ties at the beam's edge as memory happens to lie.
    generator = torch.Generator().manual_seed(len(ids))
    logits = torch.randn(len(ids), len(VOCABULARY), generator=generator)
    logits[torch.arange(len(ids)), ids] = confidence
    return logits.log_softmax(-1)


def pad(*utterances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Batch utterances; what pads them is NaN."""
    padded = torch.nn.utils.rnn.pad_sequence(
        utterances, batch_first=True, padding_value=math.nan
    )
    return padded, torch.tensor([len(utterance) for utterance in utterances])


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    write_arpa(path, estimate_ngrams(["ONE TWO", "TWO ONE", "ONE ONE"], order=2))
    return path


@pytest.fixture(params=["greedy", "beam", "beam with lm"])
def decoder(request, lm):
    if request.param == "greedy":
        return build_decoder(VOCABULARY, FRAME_RATE)
    chosen = lm if request.param == "beam with lm" else None
    return build_decoder(VOCABULARY, FRAME_RATE, beam_size=20, lm=chosen)


def texts_by_score(log_probs: torch.Tensor) -> dict[str, float]:
    """Add up the probabilities of all alignments of each text."""
    total = defaultdict(float)
    num_frames, num_tokens = log_probs.shape
    for path in itertools.product(range(num_tokens), repeat=num_frames):
        score = sum(log_probs[t, token].item() for t, token in enumerate(path))
        collapsed = [token for token, _ in itertools.groupby(path)]
        total[VOCABULARY.decode(collapsed)] += math.exp(score)
    return {text: math.log(p) for text, p in total.items()}


def test_words_and_their_times(decoder):
    (hypothesis,) = decoder(*pad(spell("_ON_E||__TTWO_")))
    assert hypothesis.text == "ONE TWO"
    assert hypothesis.words == (Word("ONE", 0.1, 0.5), Word("TWO", 0.9, 1.3))


@pytest.mark.parametrize("frames", ["|ONE", "ONE|", "||_|ONE_|_||", "ONEE", "_ONE"])
def test_delimiters_around_a_word_change_nothing(decoder, frames):
    (hypothesis,) = decoder(*pad(spell(frames)))
    assert hypothesis.text == "ONE"
    assert len(hypothesis.words) == 1


@pytest.mark.parametrize("frames", ["____", "||", "_|_|_"])
def test_silence_is_empty(decoder, frames):
    (hypothesis,) = decoder(*pad(spell(frames)))
    assert (hypothesis.text, hypothesis.words) == ("", ())


def test_batch_and_padding_have_no_influence(decoder):
    utterances = [spell("ONE|TWO"), spell("T_W_O"), spell("ONE_|_ONE_|_TWO")]
    together = decoder(*pad(*utterances))
    alone = [decoder(*pad(utterance))[0] for utterance in utterances]
    assert [found.words for found in together] == [found.words for found in alone]
    scores = [found.score for found in alone]
    assert [found.score for found in together] == pytest.approx(scores)


def test_no_frames_are_an_empty_hypothesis(decoder):
    log_probs, _ = pad(spell("ONE"), spell("TWO"))
    empty, full = decoder(log_probs, torch.tensor([0, 3]))
    assert (empty.text, empty.words) == ("", ())
    assert full.text == "TWO"


def test_half_precision_is_computed_in_float32(decoder):
    log_probs, lengths = pad(spell("ONE|TWO").bfloat16())
    assert decoder(log_probs, lengths) == decoder(log_probs.float(), lengths)


def test_certainty_is_no_obstacle(decoder):
    best = spell("ONE|TWO").argmax(-1)
    certain = torch.nn.functional.one_hot(best, len(VOCABULARY)).log()
    (hypothesis,) = decoder(*pad(certain))
    assert hypothesis.text == "ONE TWO"
    assert math.isfinite(hypothesis.score)


def test_nan_of_a_diverged_model_is_reported(decoder):
    log_probs = spell("ONE|TWO")
    log_probs[3] = math.nan
    with pytest.raises(InputError, match="NaN"):
        decoder(*pad(log_probs))


def test_nan_of_one_token_is_reported(decoder):
    log_probs = spell("ONE|TWO")
    log_probs[3, 2] = math.nan
    with pytest.raises(InputError, match="NaN"):
        decoder(*pad(log_probs))


class LargestTensor(TorchDispatchMode):
    """Notes the largest tensor that an operation makes."""

    num_elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in tree_flatten(made)[0]:
            if isinstance(tensor, torch.Tensor) and not func.is_view:
                self.num_elements = max(self.num_elements, tensor.numel())
        return made


def test_greedy_search_takes_two_numbers_of_a_frame():
    log_probs, lengths = pad(*[spell("ONE|TWO_" * 8)] * 3)
    with LargestTensor() as largest:
        found = GreedyDecoder(VOCABULARY, FRAME_RATE)(log_probs.double(), lengths)
    # the cast above makes one that large
    whole = log_probs.numel()
    assert largest.num_elements == whole
    with LargestTensor() as largest:
        again = GreedyDecoder(VOCABULARY, FRAME_RATE)(log_probs, lengths)
    assert again == found
    assert largest.num_elements == whole / len(VOCABULARY)


def test_vocabulary_of_another_size_is_reported(decoder):
    with pytest.raises(InputError, match="6 outputs, its vocabulary 7 tokens"):
        decoder(torch.zeros(1, 4, 6), torch.tensor([4]))


def test_greedy_score_is_that_of_the_best_path():
    log_probs = spell("ONE")
    (hypothesis,) = GreedyDecoder(VOCABULARY, FRAME_RATE)(*pad(log_probs))
    assert hypothesis.score == pytest.approx(log_probs.amax(-1).sum().item())


def test_wide_beam_adds_up_all_alignments():
    torch.manual_seed(0)
    log_probs = torch.randn(5, len(VOCABULARY)).log_softmax(-1)
    expected = texts_by_score(log_probs)
    decoder = BeamDecoder(VOCABULARY, FRAME_RATE, beam_size=5000, num_best=10)
    (found,) = decoder.n_best(*pad(log_probs))
    assert len(found) == 10
    assert [h.score for h in found] == pytest.approx(sorted(expected.values())[:-11:-1])
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(expected[hypothesis.text])


def test_wide_beam_with_a_lexicon_adds_up_all_alignments(tmp_path):
    torch.manual_seed(1)
    log_probs = torch.randn(5, len(VOCABULARY)).log_softmax(-1)
    (tmp_path / "lexicon").write_text("ON O N\nTO T O\nE E |\n")
    expected = {
        text: score
        for text, score in texts_by_score(log_probs).items()
        if set(text.split()) <= {"ON", "TO", "E"}
    }
    decoder = BeamDecoder(
        VOCABULARY,
        FRAME_RATE,
        beam_size=5000,
        lexicon=tmp_path / "lexicon",
        num_best=len(expected),
    )
    (found,) = decoder.n_best(*pad(log_probs))
    complete = {h.text: h.score for h in found}
    assert complete == pytest.approx(expected)


def test_language_model_weighs_the_text(lm):
    log_probs, lengths = pad(spell("ONE|TWO"))
    plain = BeamDecoder(VOCABULARY, FRAME_RATE, lm=lm, lm_weight=0.0)
    fused = BeamDecoder(VOCABULARY, FRAME_RATE, lm=lm, lm_weight=2.0, word_score=0.5)
    log10 = kenlm.Model(str(lm)).score("ONE TWO")
    difference = fused(log_probs, lengths)[0].score - plain(log_probs, lengths)[0].score
    assert difference == pytest.approx(2.0 * log10 + 2 * 0.5, abs=1e-4)


def test_language_model_mends_a_misheard_word(lm):
    misheard = spell("ONE|TNO", confidence=4.0)
    log_probs, lengths = pad(misheard)
    assert (
        GreedyDecoder(VOCABULARY, FRAME_RATE)(log_probs, lengths)[0].text == "ONE TNO"
    )
    assert BeamDecoder(VOCABULARY, FRAME_RATE, lm=lm)(log_probs, lengths)[0] == (
        Hypothesis.from_words(
            [Word("ONE", 0.0, 0.3), Word("TWO", 0.4, 0.7)],
            score=pytest.approx(-9, abs=9),
        )
    )


def test_lexicon_names_words_otherwise_than_spelled(tmp_path):
    (tmp_path / "lexicon").write_text("1 O N E\n2 T W O |\n")
    decoder = BeamDecoder(VOCABULARY, FRAME_RATE, lexicon=tmp_path / "lexicon")
    (hypothesis,) = decoder(*pad(spell("TWO|ONE")))
    assert hypothesis.text == "2 1"
    assert hypothesis.words[1] == Word("1", 0.4, 0.7)


@pytest.mark.parametrize("key", ["lm", "lexicon"])
@pytest.mark.parametrize("beam_size", [0, 1])
def test_greedy_takes_no_language_model(lm, key, beam_size):
    with pytest.raises(InputError, match=r"lm\.arpa: needs beam search"):
        build_decoder(VOCABULARY, FRAME_RATE, beam_size=beam_size, **{key: lm})


def test_unreadable_language_models_are_named(tmp_path, lm):
    (tmp_path / "lexicon").write_text("ONE O N E\n")
    cut = tmp_path / "cut.arpa"
    cut.write_bytes(lm.read_bytes()[:-40])
    with pytest.raises(InputError, match=rf"{cut.name}: KenLM cannot read it"):
        BeamDecoder(VOCABULARY, FRAME_RATE, lm=cut, lexicon=tmp_path / "lexicon")
    with pytest.raises(InputError, match=r"none\.arpa: no such language model"):
        BeamDecoder(VOCABULARY, FRAME_RATE, lm=tmp_path / "none.arpa")


def test_loading_a_language_model_is_silent(lm, capfd):
    BeamDecoder(VOCABULARY, FRAME_RATE, lm=lm)
    assert capfd.readouterr().err == ""


def test_outputs_beyond_log_probs_and_lengths_are_ignored(decoder):
    log_probs, lengths = pad(spell("ONE|_TWO"))
    more = torch.full((1, 3, 4), math.nan), None
    assert decoder(log_probs, lengths, *more) == decoder(log_probs, lengths)


@pytest.fixture(scope="module")
def subwords():
    return SubwordVocabulary.train(["ONE TWO", "TWO ONE TEN"], num_tokens=12)


def test_greedy_decoder_joins_subwords(subwords):
    ids = subwords.encode("TWO TEN")
    # begin and end are silent, as the blank is
    frames = torch.tensor([1, ids[0], ids[0], *ids[1:], 0, 2])
    log_probs = torch.nn.functional.one_hot(frames, len(subwords)).log()[None]
    decoder = build_decoder(subwords, FRAME_RATE)
    hypothesis = decoder(log_probs, torch.tensor([len(frames)]))[0]
    assert hypothesis.text == "TWO TEN"
    assert hypothesis.words[0].start == 0.1
    assert hypothesis.words[-1].end == (len(frames) - 2) / FRAME_RATE


HOMOPHONES = [f"{place}ON" for place in range(15)]


@pytest.mark.parametrize("preferred", [0, 5, 6, 12, 14])
def test_any_of_many_words_of_one_spelling_may_be_the_best(tmp_path, preferred):
    lexicon = tmp_path / "lexicon"
    lexicon.write_text("".join(f"{word} O N |\n" for word in HOMOPHONES) + "TO T O\n")
    text = [*HOMOPHONES, "TO", *[f"TO {HOMOPHONES[preferred]}"] * 5]
    write_arpa(tmp_path / "lm.arpa", estimate_ngrams(text, order=2))
    decoder = BeamDecoder(
        VOCABULARY,
        FRAME_RATE,
        lm=tmp_path / "lm.arpa",
        lexicon=lexicon,
        num_best=len(HOMOPHONES),
    )
    ((best, *others),) = decoder.n_best(*pad(spell("T_O|__OONN_||")))
    assert best.text == f"TO {HOMOPHONES[preferred]}"
    assert best.words[1] == Word(HOMOPHONES[preferred], 0.6, 0.9)
    reader = kenlm.Model(str(tmp_path / "lm.arpa"))
    for other in others:
        difference = 1.5 * (reader.score(best.text) - reader.score(other.text))
        assert best.score - other.score == pytest.approx(difference, abs=1e-3)
    assert {h.text for h in others} == {f"TO {w}" for w in HOMOPHONES} - {best.text}


@pytest.mark.parametrize("case", ["lexicon", "lm"])
def test_endless_words_do_not_reach_the_trie(tmp_path, caplog, case):
    # a trie's depth is that of its recursion
    endless = "ON" * 501
    (tmp_path / "lexicon").write_text(f"ENDLESS {' '.join(endless)}\nON O N\n")
    write_arpa(tmp_path / "lm", estimate_ngrams(["ON", "TO ON"], order=2))
    if case == "lm":
        text = (tmp_path / "lm").read_text().replace("TO", endless)
        (tmp_path / "lm").write_text(text)
    options = {case: tmp_path / case}
    decoder = BeamDecoder(VOCABULARY, FRAME_RATE, **options)
    assert "1 of 2 words skipped" in caplog.text
    assert decoder(*pad(spell("OONN")))[0].text == "ON"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beam_size", -1),
        ("beam_size", 1_000_000),
        ("beam_size", 5.0),
        ("lm_weight", math.nan),
        ("lm_weight", math.inf),
        ("lm_weight", -0.1),
        ("lm_weight", "2"),
        ("word_score", math.nan),
        ("word_score", -math.inf),
        ("beam_threshold", -1.0),
        ("num_best", 0),
    ],
)
def test_numbers_out_of_range_are_named(name, value):
    options = {"beam_size": 20, name: value}
    with pytest.raises(InputError, match=f"{name} {value}: expected"):
        build_decoder(VOCABULARY, FRAME_RATE, **options)


def test_a_model_without_probabilities_is_named(tmp_path, lm):
    text = re.sub(r".+\t</s>\t0", "-inf\t</s>", lm.read_text())
    (tmp_path / "inf.arpa").write_text(re.sub(r"(<s>|ONE|TWO) </s>", r"\1 ONE", text))
    decoder = BeamDecoder(
        VOCABULARY, FRAME_RATE, lm=tmp_path / "inf.arpa", lm_weight=0.0
    )
    with pytest.raises(InputError, match=r"inf\.arpa: gives no text a probability"):
        decoder(*pad(spell("ONE")))


@pytest.mark.parametrize("unit", [None, "characters"])
def test_a_score_of_words_is_refused_where_there_are_none(tmp_path, unit):
    lm = None
    if unit is not None:
        lm = tmp_path / "letters.arpa"
        write_arpa(lm, estimate_ngrams(["O N E | T W O"], order=2))
    with pytest.raises(InputError, match=r"word_score 0\.5: counts the words of"):
        BeamDecoder(VOCABULARY, FRAME_RATE, lm=lm, word_score=0.5)
    BeamDecoder(VOCABULARY, FRAME_RATE, lm=lm, word_score=0.0)
