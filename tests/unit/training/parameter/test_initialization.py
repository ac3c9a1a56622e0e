from functools import partial

import pytest
import torch

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.decoders import TextDecoder
from lact_modules.encoders import CTCModel, Encoder, S2SModel
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.layers import CausalAttention, CrossAttention, FeedForward, LaCTMixer
from lact_modules.training.parameter.initialization import map_tokens, transfer

OLD = SubwordVocabulary.train(["ONE TWO TEN", "SIX TWO ONE"], 14).tokens
NEW = SubwordVocabulary.train(["ONE TWO FOUR", "FIVE FOUR"], 15).tokens
BY_TOKEN = [
    *("output.weight", "output.bias"),
    *("decoder.embedding.weight", "decoder.output.weight", "decoder.output.bias"),
]


def make_ctc(tokens, width=8, num_layers=1, **options):
    mixer, ffn = partial(LaCTMixer, width, 2, 2), partial(FeedForward, width, 16)
    encoder = Encoder(width, num_layers, mixer, ffn, **options)
    return CTCModel(MelFrontend(width), encoder, len(tokens))


def make_headed(tokens, kind="ctc", block=1):
    return make_ctc(tokens, num_layers=2, heads={block: kind})


make_deep = partial(make_ctc, num_layers=2)
make_conditioned = partial(make_headed, kind="self-conditioned-ctc")


def make_s2s(tokens, width=8):
    ctc = make_ctc(tokens, width)
    decoder = TextDecoder(
        d_model=width,
        num_layers=1,
        num_tokens=len(tokens),
        self_mixer=partial(CausalAttention, width, 2),
        cross_mixer=partial(CrossAttention, width, 2),
        ffn=partial(FeedForward, width, 16),
    )
    return S2SModel(ctc.frontend, ctc.encoder, decoder, len(tokens))


def copy_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_shared_rows_are_taken_over_and_new_ones_are_fresh():
    old, new = make_s2s(OLD), make_s2s(NEW)
    before, tokens = copy_of(new), map_tokens(OLD, NEW)
    assert 4 < len(tokens.rows) < len(NEW)
    transfer(old.state_dict(), new, tokens)
    fresh = [NEW.index(token) for token in tokens.new]
    given = old.state_dict()
    for name, tensor in new.state_dict().items():
        if name in BY_TOKEN:
            for token in set(OLD) & set(NEW):
                row = tensor[NEW.index(token)]
                assert row.equal(given[name][OLD.index(token)]), (name, token)
            assert tensor[fresh].equal(before[name][fresh]), name
        else:
            assert tensor.equal(given[name]), name
    assert {*BY_TOKEN} <= before.keys()


def test_the_same_vocabulary_gives_the_same_model():
    old, new = make_s2s(OLD), make_s2s(OLD)
    transfer(old.state_dict(), new, map_tokens(OLD, OLD))
    waveform, lengths = torch.randn(1, 8000), torch.tensor([8000])
    tokens = torch.tensor([[1, 5, 6]])
    for ours, theirs in zip(
        new.eval()(waveform, lengths, tokens=tokens),
        old.eval()(waveform, lengths, tokens=tokens),
        strict=True,
    ):
        assert ours.equal(theirs)


def test_what_is_copied_is_not_shared():
    old, new = make_ctc(OLD), make_ctc(OLD)
    transfer(old.state_dict(), new, map_tokens(OLD, OLD))
    with torch.no_grad():
        new.output.weight.zero_()
    assert old.output.weight.any()


def test_case_makes_another_token():
    tokens = map_tokens(["<blank>", "a", "B"], ["<blank>", "A", "B"])
    assert tokens.new == ["A"]
    assert tokens.dropped == ["a"]


@pytest.mark.parametrize(
    ("make_old", "make_new", "message"),
    [
        (
            partial(make_ctc, width=16),
            make_ctc,
            r"its '\S+' is \(16,.*sizes of the old",
        ),
        (make_ctc, make_s2s, r"it has no 'decoder\.\S+', .*--init_fresh '\[decoder\]'"),
        (make_s2s, make_ctc, r"it has 'decoder\.\S+', which the new model lacks"),
        (make_headed, make_deep, r"--init_fresh '\[encoder\.heads\]'"),
        (make_deep, make_headed, r"--init_fresh '\[encoder\.heads\]'"),
        (
            make_conditioned,
            make_headed,
            r"--init_fresh '\[encoder\.heads\.1\.condition\]'",
        ),
        (
            *(make_headed, partial(make_headed, block=2)),
            r"--init_fresh '\[encoder\.heads\.2, encoder\.heads\.1\]'",
        ),
        (make_ctc, make_deep, r"--init_fresh '\[encoder\.blocks\.1\]'"),
    ],
)
def test_a_model_that_does_not_fit_is_left_alone(make_old, make_new, message):
    old, new = make_old(OLD), make_new(NEW)
    before = copy_of(new)
    with pytest.raises(InputError, match=message):
        transfer(old.state_dict(), new, map_tokens(OLD, NEW))
    assert all(tensor.equal(before[name]) for name, tensor in copy_of(new).items())


@pytest.mark.parametrize(
    ("make_old", "make_new"), [(make_ctc, make_s2s), (make_s2s, make_ctc)]
)
def test_a_module_may_start_fresh(make_old, make_new):
    old, new = make_old(OLD), make_new(OLD)
    before = copy_of(new)
    transfer(old.state_dict(), new, map_tokens(OLD, OLD), fresh=["decoder"])
    for name, tensor in copy_of(new).items():
        is_fresh = name.startswith("decoder.")
        assert tensor.equal((before if is_fresh else old.state_dict())[name]), name


def test_a_fresh_module_must_exist():
    model = make_ctc(OLD)
    with pytest.raises(InputError, match="init_fresh: 'decodr'"):
        transfer(model.state_dict(), model, map_tokens(OLD, OLD), fresh=["decodr"])


def test_heads_of_the_encoder_are_taken_over_by_token():
    old, new = make_conditioned(OLD), make_conditioned(NEW)
    before, tokens = copy_of(new), map_tokens(OLD, NEW)
    transfer(old.state_dict(), new, tokens)
    [condition] = [name for name in before if name.endswith("condition.weight")]
    given, now = old.state_dict()[condition], new.state_dict()[condition]
    assert now[:, tokens.rows].equal(given[:, tokens.old_rows])
    fresh = [NEW.index(token) for token in tokens.new]
    assert now[:, fresh].equal(before[condition][:, fresh])
