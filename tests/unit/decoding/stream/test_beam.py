"""A stream is searched as the whole utterance is, and what is stable stays."""

import pytest
import torch

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import BeamDecoder
from lact_modules.decoding.search import flashlight
from lact_modules.decoding.stream.decoder import build_stream_decoder
from lact_modules.decoding.stream.endpoint import PartialHypothesis
from lact_modules.errors import InputError
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams

VOCABULARY = Vocabulary.from_texts(["ONE TWO"])
FRAME_RATE = 10.0
SPOKEN = "_ON_E||__TTWO_||ONE__|_T_WWO_|ONNE|__TWO__|"


def make_log_probs(confidence=3.0, seed=0):
    ids = [VOCABULARY.tokens.index(token.replace("_", "<blank>")) for token in SPOKEN]
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(ids), len(VOCABULARY), generator=generator)
    logits[torch.arange(len(ids)), ids] += confidence
    return logits.log_softmax(-1)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    write_arpa(folder / "lm", estimate_ngrams(["ONE TWO", "TWO ONE TWO"], order=2))
    (folder / "lexicon").write_text("ONE O N E\n2 T W O\nNO N O\nTO T O\n")
    return folder


@pytest.fixture(params=["", "lm", "lexicon", "lm lexicon"])
def options(request, paths):
    given = {name: paths / name for name in request.param.split()}
    word_score = {"word_score": 0.5} if given else {}
    return {"beam_size": 12, **word_score, **given}


@pytest.fixture
def decoder(options):
    return build_stream_decoder(VOCABULARY, FRAME_RATE, **options)


def decode_whole(log_probs, options):
    decoder = BeamDecoder(VOCABULARY, FRAME_RATE, **options)
    return decoder(log_probs[None], torch.tensor([len(log_probs)]))[0]


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("seed", range(3))
def test_pieces_are_decoded_as_the_whole(decoder, options, size, seed):
    log_probs = make_log_probs(seed=seed)
    whole = decode_whole(log_probs, options)
    state = decoder.start()
    for piece in log_probs.split(size):
        state = decoder.accept(piece, state)
    finished = decoder.finish(state)
    assert (finished.text, finished.words) == (whole.text, whole.words)
    assert finished.score == pytest.approx(whole.score)


@pytest.mark.parametrize("confidence", [1.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_stable_words_stay_whatever_follows(decoder, confidence, seed):
    log_probs = make_log_probs(confidence, seed)
    state, before = decoder.start(), ()
    for frame in log_probs.split(1):
        state = decoder.accept(frame, state)
        stable = decoder.words(state).stable
        assert stable[: len(before)] == before
        for other in range(4):
            noise = make_log_probs(0.5, seed=100 + other)[:15]
            another = decoder.finish(decoder.accept(noise, state))
            assert another.words[: len(stable)] == stable
        before = stable
    assert decoder.finish(state).words[: len(before)] == before


def test_words_are_stable_when_a_narrow_beam_agrees(paths):
    for options in ({}, {"lm": paths / "lm"}):
        decoder = build_stream_decoder(VOCABULARY, FRAME_RATE, beam_size=3, **options)
        log_probs = make_log_probs(6.0, seed=1)
        state = decoder.accept(log_probs, decoder.start())
        stable, _ = decoder.words(state)
        assert len(stable) > 2
        assert stable == decoder.finish(state).words[: len(stable)]


def test_open_words_are_the_best_so_far(decoder):
    state = decoder.accept(make_log_probs(6.0)[:13], decoder.start())
    stable, following = decoder.words(state)
    words = [word.word for word in (*stable, *following)]
    # a word that may continue is spelled, though the lexicon has another name for it
    assert words == ["ONE", "TWO"]


def test_times_are_those_of_the_stream(decoder, options):
    log_probs = make_log_probs()
    whole = decode_whole(log_probs, options)
    state = decoder.accept(log_probs, decoder.start(num_frames=1000))
    assert state.num_frames == 1000 + len(log_probs)
    found = decoder.finish(state).words
    assert [word.word for word in found] == [word.word for word in whole.words]
    for word, expected in zip(found, whole.words, strict=True):
        assert word.start == pytest.approx(expected.start + 100.0)
        assert word.end == pytest.approx(expected.end + 100.0)


def test_any_state_may_be_gone_on_with(decoder):
    log_probs = make_log_probs()
    states = [decoder.start()]
    for piece in log_probs.split(5):
        states.append(decoder.accept(piece, states[-1]))
    words = [decoder.words(state) for state in states]
    finished = decoder.finish(states[-1])
    # back and forth, and again after its end
    for state, expected in zip(states[::-1], words[::-1], strict=True):
        assert decoder.words(state) == expected
    state = decoder.accept(log_probs[10:], states[2])
    assert decoder.finish(state) == decoder.finish(state) == finished


def test_forks_share_what_is_large_and_no_search(paths, monkeypatch):
    loaded = []
    load = flashlight.KenLM
    monkeypatch.setattr(
        flashlight, "KenLM", lambda *args: loaded.append(args) or load(*args)
    )
    decoder = build_stream_decoder(
        VOCABULARY, FRAME_RATE, beam_size=12, lm=paths / "lm"
    )
    fork = decoder.fork()
    first, second = make_log_probs(seed=1), make_log_probs(seed=2)
    state, other = decoder.start(), fork.start()
    for piece, another in zip(first.split(6), second.split(6), strict=True):
        state = decoder.accept(piece, state)
        other = fork.accept(another, other)
    assert decoder._reached is state
    assert fork._reached is other
    options = {"beam_size": 12, "lm": paths / "lm"}
    for stream, last, frames in ((decoder, state, first), (fork, other, second)):
        found, whole = stream.finish(last), decode_whole(frames, options)
        assert (found.text, found.words) == (whole.text, whole.words)
    # by this test itself too
    assert len(loaded) == 3


def test_silence_has_no_words(decoder):
    state = decoder.start()
    assert decoder.accept(torch.zeros(0, len(VOCABULARY)), state) is state
    assert decoder.words(state) == PartialHypothesis((), ())
    assert decoder.finish(state).words == ()


def test_frames_that_do_not_fit_are_refused(decoder):
    with pytest.raises(InputError, match="NaN"):
        decoder.accept(torch.full((2, len(VOCABULARY)), torch.nan), decoder.start())
    state = decoder.start()._replace(log_probs=torch.zeros(5, 3))
    with pytest.raises(InputError, match="3 outputs"):
        decoder.words(state)


def test_options_that_do_not_fit_are_refused(paths):
    for name in ("lm", "lexicon"):
        with pytest.raises(InputError, match=f"{name}: needs beam search"):
            build_stream_decoder(VOCABULARY, FRAME_RATE, **{name: paths / name})
