"""Beam search in languages that are written without spaces between words."""

import itertools
import math
from collections import defaultdict

import kenlm
import pytest
import torch

from lact_modules.data.text.scripts import spell_characters
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import BeamDecoder
from lact_modules.decoding.stream.decoder import build_stream_decoder
from lact_modules.errors import InputError
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.language_model import KenLMModel
from lact_modules.language_model.ngram import estimate_ngrams

FRAME_RATE = 10.0
LANGUAGES = {
    "Chinese": (["你好 世界", "世界 很 好", "你好 妈妈"], "妈妈世界好好"),
    "Japanese": (
        ["すし を たべる", "みず を のむ", "カメラ を かう"],
        "カメラをたべる",
    ),
    "Thai": (["สวัสดี ครับ", "ไป ตลาด", "ฉัน ไป ตลาด ครับ"], "สวัสดีไปตลาดครับ"),
}


@pytest.fixture(params=LANGUAGES)
def language(request, tmp_path):
    """Return a vocabulary, the spoken text, and a folder of models and a lexicon."""
    segmented, spoken = LANGUAGES[request.param]
    plain = [sentence.replace(" ", "") for sentence in segmented]
    characters = estimate_ngrams(map(spell_characters, plain), 3, words=["|"])
    write_arpa(tmp_path / "characters", characters)
    # as others make them
    write_arpa(
        tmp_path / "unmarked", estimate_ngrams(map(spell_characters, plain), order=2)
    )
    write_arpa(tmp_path / "words", estimate_ngrams(segmented, order=2))
    words = sorted({word for sentence in segmented for word in sentence.split()})
    lexicon = "".join(f"{word} {' '.join(word)}\n" for word in words)
    (tmp_path / "lexicon").write_text(lexicon)
    return Vocabulary.from_texts(plain), spoken, tmp_path


SEARCHES = [
    {},
    {"lm": "characters"},
    {"lm": "unmarked"},
    {"lm": "words"},
    {"lexicon": "lexicon"},
    {"lm": "words", "lexicon": "lexicon"},
]


def speak(vocabulary, text, confidence=math.inf, repeat=3):
    """Return (T, V) log-probabilities, without blanks but where they are needed."""
    ids = []
    for before, character in zip(" " + text, text, strict=False):
        ids += [0] * (before == character)
        ids += [vocabulary.tokens.index(character)] * repeat
    certain = torch.nn.functional.one_hot(torch.tensor(ids), len(vocabulary)).float()
    if confidence == math.inf:
        return certain.log()
    noise = torch.randn(certain.shape, generator=torch.Generator().manual_seed(0))
    return (confidence * certain + noise).log_softmax(-1)


@pytest.mark.parametrize("files", SEARCHES, ids=str)
@pytest.mark.parametrize("confidence", [8.0, math.inf])
def test_the_spoken_text_is_found(language, files, confidence):
    vocabulary, spoken, folder = language
    options = {name: folder / file for name, file in files.items()}
    log_probs = speak(vocabulary, spoken, confidence)
    decoder = BeamDecoder(vocabulary, FRAME_RATE, beam_size=20, **options)
    [found] = decoder(log_probs[None], torch.tensor([len(log_probs)]))
    assert found.text == spoken
    [word] = found.words
    assert (word.start, word.end) == (0.0, pytest.approx(len(log_probs) / 10, abs=0.21))
    stream = build_stream_decoder(vocabulary, FRAME_RATE, beam_size=20, **options)
    stream = stream.fork()
    state = stream.start()
    for piece in log_probs.split(7):
        state = stream.accept(piece, state)
        _, open_words = stream.words(state)
        assert spoken.startswith("".join(word.word for word in open_words))
    assert stream.finish(state) == found


@pytest.mark.parametrize("files", SEARCHES, ids=str)
def test_silence_is_empty(language, files):
    vocabulary, _, folder = language
    options = {name: folder / file for name, file in files.items()}
    decoder = BeamDecoder(vocabulary, FRAME_RATE, beam_size=20, **options)
    frames = torch.nn.functional.one_hot(torch.zeros(6).long(), len(vocabulary)).log()
    for length in (0, 6):
        [found] = decoder(frames[None], torch.tensor([length]))
        assert (found.text, found.words) == ("", ())


def test_spoken_spaces_stay(language):
    vocabulary, _, folder = language
    text = {"你": "你好|世界", "す": "すし|を", "ส": "สวัสดี|ครับ"}
    spoken = next(t for start, t in text.items() if start in vocabulary.tokens)
    log_probs = speak(vocabulary, spoken)
    for files in SEARCHES:
        options = {name: folder / file for name, file in files.items()}
        decoder = BeamDecoder(vocabulary, FRAME_RATE, beam_size=20, **options)
        [found] = decoder(log_probs[None], torch.tensor([len(log_probs)]))
        assert found.text == spoken.replace("|", " ")


def test_wide_beam_adds_up_all_alignments_of_words(tmp_path):
    vocabulary = Vocabulary.from_texts(["你好妈"])
    (tmp_path / "lexicon").write_text("你好 你 好\n妈 妈\n妈妈 妈 妈\n好 好\n")
    write_arpa(
        tmp_path / "lm", estimate_ngrams(["妈 妈", "妈妈 你好", "好 妈"], order=2)
    )
    log_probs = torch.randn(5, 5, generator=torch.manual_seed(3)).log_softmax(-1)
    total = defaultdict(float)
    for path in itertools.product(range(5), repeat=5):
        score = sum(log_probs[t, token].item() for t, token in enumerate(path))
        text = vocabulary.decode([token for token, _ in itertools.groupby(path)])
        total[text] += math.exp(score)
    reader = kenlm.Model(str(tmp_path / "lm"))

    def cut(text):
        """Return all ways to write words."""
        if not text:
            yield []
        for word in ("你好", "妈", "妈妈", "好"):
            if text.startswith(word):
                yield from ([word, *rest] for rest in cut(text[len(word) :]))

    expected = {}
    for text, probability in total.items():
        ways = itertools.product(*(cut(part) for part in text.split()))
        joined = [[*itertools.chain(*way)] for way in ways]
        scores = [
            2.0 * reader.score(" ".join(words)) + 0.3 * len(words) for words in joined
        ]
        if scores:
            expected[text] = math.log(probability) + max(scores)
    options = {"lm_weight": 2.0, "word_score": 0.3, "num_best": len(expected)}
    decoder = BeamDecoder(
        vocabulary, FRAME_RATE, 3000, tmp_path / "lm", tmp_path / "lexicon", **options
    )
    [found] = decoder.n_best(log_probs[None], torch.tensor([5]))
    assert {h.text: h.score for h in found} == pytest.approx(
        {h.text: expected[h.text] for h in found}, abs=1e-3
    )
    assert len(found) > 15


@pytest.mark.parametrize(
    ("spelled", "text"), [("你", ""), ("你好你", "你好"), ("你好你好", "你好你好")]
)
def test_a_word_that_the_audio_cuts_off_is_not_named(tmp_path, spelled, text):
    vocabulary = Vocabulary.from_texts(["你好妈"])
    (tmp_path / "lexicon").write_text("你好 你 好\n")
    log_probs = speak(vocabulary, spelled)
    options = {"beam_size": 20, "lexicon": tmp_path / "lexicon"}
    decoder = BeamDecoder(vocabulary, FRAME_RATE, **options)
    [found] = decoder(log_probs[None], torch.tensor([len(log_probs)]))
    assert found.text == text
    stream = build_stream_decoder(vocabulary, FRAME_RATE, **options)
    state = stream.accept(log_probs, stream.start())
    stream.words(state)
    assert stream.finish(state) == found


def test_names_and_homophones_of_sounds(tmp_path):
    vocabulary = Vocabulary(["<blank>", "|", "ma", "ni"])
    names = "妈嘛吗骂麻马码玛"
    (tmp_path / "lexicon").write_text("".join(f"{name} ma\n" for name in names))
    write_arpa(tmp_path / "lm", estimate_ngrams([*names, *["玛 码"] * 9], order=2))
    decoder = BeamDecoder(
        vocabulary, FRAME_RATE, 20, tmp_path / "lm", tmp_path / "lexicon"
    )
    frames = torch.nn.functional.one_hot(torch.tensor([2, 2, 0, 2]), 4).log()
    [found] = decoder(frames[None], torch.tensor([4]))
    assert found.text == "玛码"


def test_characters_rank_again_what_was_found(language):
    _, spoken, folder = language
    lm = KenLMModel(folder / "characters")
    reader = kenlm.Model(str(folder / "characters"))
    [score] = lm.log_probs([spoken])
    assert score == pytest.approx(reader.score(" ".join(spoken)) * math.log(10))


def test_letters_of_spaced_scripts_are_characters_if_the_delimiter_is_one(tmp_path):
    texts = ["ONE TWO", "TWO ONE ONE"]
    vocabulary = Vocabulary.from_texts(texts)
    spelled = map(spell_characters, texts)
    write_arpa(tmp_path / "lm", estimate_ngrams(spelled, order=4))
    decoder = BeamDecoder(vocabulary, FRAME_RATE, 20, tmp_path / "lm")
    # neither word of any lexicon, but the likelier end of a word
    log_probs = speak(vocabulary, "ONE|TWN", confidence=4.0, repeat=1)
    log_probs[-1, vocabulary.tokens.index("O")] = log_probs[-1].max() - 0.5
    [found] = decoder(log_probs[None], torch.tensor([len(log_probs)]))
    assert found.text == "ONE TWO"


def test_another_sign_for_the_space_is_named(tmp_path):
    write_arpa(tmp_path / "lm", estimate_ngrams(["O N <space> T O"], order=2))
    with pytest.raises(InputError, match="has <space> for the space"):
        BeamDecoder(Vocabulary.from_texts(["ON TO"]), FRAME_RATE, 20, tmp_path / "lm")
