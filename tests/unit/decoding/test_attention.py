"""Joint CTC and attention search: against all texts, in batches, at the edges."""

import itertools
from functools import partial

import pytest
import torch
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM
from torch.nn.functional import ctc_loss

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.decoders import TextDecoder
from lact_modules.decoding.attention import AttentionDecoder
from lact_modules.encoders import Encoder, S2SModel
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.language_model.token_model import RereadingModel
from lact_modules.language_model.transformer_lm_steps import by_token
from lact_modules.layers import (
    AttentionMixer,
    CausalAttention,
    CausalMamba,
    CrossAttention,
    CrossMamba,
    FeedForward,
)

D_MODEL = 16
SAMPLES = [16000, 6400, 0, 11200, 160, 9600, 320]

DECODERS = {
    "transformer": (
        partial(CausalAttention, D_MODEL, 2),
        partial(CrossAttention, D_MODEL, 2),
    ),
    "mamba": (partial(CausalMamba, D_MODEL), partial(CrossMamba, D_MODEL)),
}


@pytest.fixture(scope="module")
def vocabulary():
    return SubwordVocabulary.train(["ONE TWO", "TWO TEN", "NET WON"], num_tokens=14)


@pytest.fixture(params=DECODERS)
def model(request, vocabulary):
    return make_model(request.param, len(vocabulary))


def make_model(kind, num_tokens):
    """Make a model with its mind made up, as rounding must not tip the scales."""
    torch.manual_seed(0)
    ffn = partial(FeedForward, D_MODEL, 32)
    model = S2SModel(
        MelFrontend(D_MODEL),
        Encoder(D_MODEL, 1, partial(AttentionMixer, D_MODEL, 2), ffn),
        TextDecoder(D_MODEL, 1, num_tokens, *DECODERS[kind], ffn),
        num_tokens,
    )
    with torch.no_grad():
        model.output.weight *= 3
        model.decoder.output.weight *= 3
    return model.eval()


def make_lm(num_tokens):
    torch.manual_seed(1)
    return TransformerLM(
        num_tokens, d_model=8, nhead=2, num_encoder_layers=1, d_ffn=16, dropout=0.0
    ).eval()


def make_audio():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(len(SAMPLES), max(SAMPLES), generator=generator)


@torch.no_grad()
def run(model, waveforms, samples):
    return model(waveforms, torch.tensor(samples))


def score_all_texts(model, outputs, vocabulary, lm, ctc_weight, lm_weight, longest):
    """Score every sequence of tokens up to a length, for one utterance."""
    first = max(vocabulary.eos_id, vocabulary.bos_id) + 1
    tokens = range(first, len(vocabulary))
    scores = {}
    for length in range(longest + 1):
        spellings = list(itertools.product(tokens, repeat=length))
        num_texts = len(spellings)
        texts = torch.tensor(spellings, dtype=torch.int64).view(num_texts, length)
        begun = torch.cat([torch.full((num_texts, 1), vocabulary.bos_id), texts], 1)
        ended = torch.cat([texts, torch.full((num_texts, 1), vocabulary.eos_id)], 1)
        spoken = model.decoder(
            begun,
            outputs.memory.expand(num_texts, -1, -1),
            outputs.lengths.expand(num_texts),
        )
        total = (1 - ctc_weight) * spoken.gather(2, ended[..., None]).sum((1, 2))
        total -= ctc_weight * ctc_loss(
            outputs.log_probs.expand(num_texts, -1, -1).transpose(0, 1),
            texts,
            outputs.lengths.expand(num_texts),
            torch.full((num_texts,), length),
            reduction="none",
        )
        if lm is not None:
            written = lm(begun).log_softmax(-1)
            total += lm_weight * written.gather(2, ended[..., None]).sum((1, 2))
        for text, score in zip(texts.tolist(), total.tolist(), strict=True):
            decoded = vocabulary.decode(text)
            scores[decoded] = max(score, scores.get(decoded, -torch.inf))
    return scores


@pytest.mark.parametrize("with_lm", [False, True])
@torch.no_grad()
def test_the_best_of_all_texts_is_found(model, vocabulary, with_lm):
    lm = make_lm(len(vocabulary)) if with_lm else None
    decoder = AttentionDecoder(
        model,
        vocabulary,
        beam_size=2000,
        lm=lm and by_token(lm),
        lm_weight=0.7,
        num_best=3,
    )
    for seed in range(3):
        torch.manual_seed(seed)
        outputs = run(model, torch.randn(1, 1920), [1920])
        assert outputs.lengths.tolist() == [3]
        scores = score_all_texts(model, outputs, vocabulary, lm, 0.4, 0.7, longest=3)
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)
        (found,) = decoder.n_best(*outputs)
        assert [hypothesis.text for hypothesis in found] == ranked[:3]
        for hypothesis in found:
            assert hypothesis.score == pytest.approx(scores[hypothesis.text], abs=1e-3)


def test_a_beam_of_one_follows_the_text_decoder(model, vocabulary):
    outputs = run(model, make_audio(), SAMPLES)
    found = AttentionDecoder(model, vocabulary, beam_size=1)(*outputs)
    for i, num_frames in enumerate(outputs.lengths.tolist()):
        tokens, score = [vocabulary.bos_id], 0.0
        while True:
            log_probs = model.decoder(
                torch.tensor([tokens]),
                outputs.memory[i : i + 1],
                outputs.lengths[i, None],
            )[0, -1]
            log_probs[[vocabulary.blank_id, vocabulary.bos_id]] = -torch.inf
            is_over = len(tokens) > num_frames
            token = vocabulary.eos_id if is_over else int(log_probs.argmax())
            score += float(log_probs[token])
            if token == vocabulary.eos_id:
                break
            tokens.append(token)
        assert found[i].text == vocabulary.decode(tokens)
        assert found[i].score == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize(
    ("beam_size", "ctc_weight", "with_lm"),
    [(1, 0.4, False), (4, 0.4, False), (4, 0.0, False), (4, 0.4, True)],
)
def test_alone_equals_in_a_batch(model, vocabulary, beam_size, ctc_weight, with_lm):
    decoder = AttentionDecoder(
        model,
        vocabulary,
        beam_size=beam_size,
        ctc_weight=ctc_weight,
        lm=by_token(make_lm(len(vocabulary))) if with_lm else None,
        num_best=beam_size,
    )
    audio = make_audio()
    outputs = run(model, audio, SAMPLES)
    for i, num_frames in enumerate(outputs.lengths.tolist()):
        outputs.memory[i, num_frames:] = torch.nan
        outputs.log_probs[i, num_frames:] = torch.nan
    together = decoder.n_best(*outputs)
    for i, num_samples in enumerate(SAMPLES):
        waveform = audio[i : i + 1, : max(num_samples, 1)]
        (alone,) = decoder.n_best(*run(model, waveform, [num_samples]))
        assert [h.text for h in alone] == [h.text for h in together[i]]
        for one, other in zip(alone, together[i], strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-3)
            assert one.words == other.words


def test_a_language_model_with_a_memory_finds_what_one_without_does(model, vocabulary):
    outputs = run(model, make_audio(), SAMPLES)
    lm = make_lm(len(vocabulary))
    found, expected = (
        AttentionDecoder(model, vocabulary, beam_size=5, lm=each, num_best=5).n_best(
            *outputs
        )
        for each in (by_token(lm), RereadingModel(lm))
    )
    for those, others in zip(found, expected, strict=True):
        assert [h.words for h in those] == [h.words for h in others]
        scores = [h.score for h in others]
        assert [h.score for h in those] == pytest.approx(scores, abs=1e-4)


def test_without_audio_there_are_no_words(model, vocabulary):
    outputs = run(model, torch.zeros(2, 1), [0, 0])
    for beam_size in (1, 4):
        decoder = AttentionDecoder(model, vocabulary, beam_size=beam_size, num_best=4)
        for found in decoder.n_best(*outputs):
            assert [(h.text, h.words) for h in found] == [("", ())]


def test_n_best_texts_differ_and_the_best_is_first(model, vocabulary):
    outputs = run(model, make_audio(), SAMPLES)
    decoder = AttentionDecoder(model, vocabulary, beam_size=8, num_best=5)
    lists = decoder.n_best(*outputs)
    assert max(map(len, lists)) == 5
    for found in lists:
        scores = [hypothesis.score for hypothesis in found]
        assert scores == sorted(scores, reverse=True)
        assert len({hypothesis.text for hypothesis in found}) == len(found)
    assert [found[0] for found in lists] == decoder(*outputs)


def test_words_stand_in_time(model, vocabulary):
    outputs = run(model, make_audio(), SAMPLES)
    for found, num_frames in zip(
        AttentionDecoder(model, vocabulary, beam_size=4)(*outputs),
        outputs.lengths.tolist(),
        strict=True,
    ):
        assert " ".join(word.word for word in found.words) == found.text
        times = [time for word in found.words for time in (word.start, word.end)]
        assert all(0 <= time <= num_frames / model.frame_rate for time in times)
        starts = times[::2]
        assert starts == sorted(starts)


def test_a_text_without_end_is_ended_whole(model, vocabulary):
    with torch.no_grad():
        model.decoder.output.bias[vocabulary.eos_id] = -100.0
    outputs = run(model, make_audio()[:1], SAMPLES[:1])
    assert outputs.lengths.tolist() == [25]
    texts = [
        AttentionDecoder(model, vocabulary, beam_size=1, max_ratio=most / 25)(*outputs)
        for most in range(1, 10)
    ]
    for (shorter,), (longer,) in itertools.pairwise(texts):
        assert longer.text.startswith(shorter.text)
        assert longer.score < -90.0
    pieces = [len(piece.strip("\u2581")) for piece in vocabulary.tokens[3:]]
    assert min(pieces) * 9 <= len(texts[-1][0].text.replace(" ", ""))


def test_ctc_can_overrule_the_text_decoder(vocabulary):
    model = make_model("transformer", len(vocabulary))
    outputs = run(model, make_audio()[:1], SAMPLES[:1])
    path = [token for token in vocabulary.encode("TEN TWO") for _ in range(2)]
    path += [vocabulary.blank_id] * (25 - len(path))
    frames = torch.nn.functional.one_hot(torch.tensor([path]), len(vocabulary))
    outputs = outputs._replace(log_probs=(20.0 * frames).log_softmax(-1))
    for ctc_weight, is_heard in ((0.0, False), (0.9, True)):
        decoder = AttentionDecoder(
            model, vocabulary, beam_size=20, ctc_weight=ctc_weight
        )
        assert (decoder(*outputs)[0].text == "TEN TWO") == is_heard


def test_spellings_of_a_text_are_one_hypothesis(model, vocabulary):
    outputs = run(model, make_audio()[:1], SAMPLES[:1])
    decoder = AttentionDecoder(model, vocabulary, beam_size=30, num_best=30)
    (found,) = decoder.n_best(*outputs)
    assert len(found) > 10
    assert len({hypothesis.text for hypothesis in found}) == len(found)


def test_nan_is_refused(model, vocabulary):
    outputs = run(model, make_audio()[:1], SAMPLES[:1])
    decoder = AttentionDecoder(model, vocabulary, beam_size=2)
    damaged = outputs._replace(log_probs=outputs.log_probs * torch.nan)
    with pytest.raises(InputError, match="model's output is NaN"):
        decoder(*damaged)
    with torch.no_grad():
        model.decoder.output.bias[5] = torch.nan
    with pytest.raises(InputError, match="text decoder's output is NaN"):
        decoder(*outputs)


def test_another_vocabulary_is_refused(model):
    other = SubwordVocabulary.train(["ONE TWO", "TWO TEN"], num_tokens=12)
    decoder = AttentionDecoder(model, other, beam_size=2)
    with pytest.raises(InputError, match="14 outputs, its vocabulary 12"):
        decoder(*run(model, make_audio()[:1], SAMPLES[:1]))


@pytest.mark.parametrize(
    "options",
    [
        {"beam_size": 0},
        {"ctc_weight": 1.0},
        {"lm_weight": -0.1},
        {"max_ratio": 1.5},
        {"num_best": 0},
    ],
)
def test_numbers_out_of_range_are_refused(vocabulary, options):
    model = make_model("mamba", len(vocabulary))
    with pytest.raises(InputError, match=next(iter(options))):
        AttentionDecoder(model, vocabulary, **options)
