"""The contract that every text decoder keeps; a new one is one more entry."""

from functools import partial

import pytest
import torch

from lact_modules.decoders import TextDecoder
from lact_modules.layers import (
    CausalAttention,
    CausalMamba,
    CrossAttention,
    CrossMamba,
    FeedForward,
)

D_MODEL = 16
NUM_TOKENS = 11
MEMORY_LENGTHS = [23, 1, 14]
TEXT_LENGTHS = [6, 4, 2]


def make_decoder(self_mixer, cross_mixer, **options):
    return TextDecoder(
        D_MODEL,
        num_tokens=NUM_TOKENS,
        self_mixer=self_mixer,
        cross_mixer=cross_mixer,
        ffn=partial(FeedForward, D_MODEL, 32),
        **{"num_layers": 2, **options},
    )


causal_attention = partial(CausalAttention, D_MODEL, num_heads=2)
cross_attention = partial(CrossAttention, D_MODEL, num_heads=2)
causal_mamba = partial(CausalMamba, D_MODEL, d_state=4)
cross_mamba = partial(CrossMamba, D_MODEL, d_state=4)

DECODERS = {
    "transformer": partial(make_decoder, causal_attention, cross_attention),
    "mamba": partial(make_decoder, causal_mamba, cross_mamba, positions=None),
    "mamba_attention": partial(make_decoder, causal_mamba, cross_attention),
}

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES, autouse=True)
def device(request):
    """Make tensors and modules on each device in turn."""
    with torch.device(request.param):
        yield request.param


@pytest.fixture(params=DECODERS)
def decoder(request, device):
    torch.manual_seed(0)
    return DECODERS[request.param]().eval()


def make_batch():
    generator = torch.Generator("cpu").manual_seed(0)
    memory = torch.randn(3, 23, D_MODEL, generator=generator, device="cpu")
    tokens = torch.randint(NUM_TOKENS, (3, 6), generator=generator, device="cpu")
    device = torch.get_default_device()
    return tokens.to(device), memory.to(device), torch.tensor(MEMORY_LENGTHS)


def run_steps(decoder, tokens, memory, lengths):
    """Score token by token, (B, U, V)."""
    state, steps = decoder.start(memory, lengths), []
    for token in tokens.unbind(1):
        log_probs, state = decoder.step(token, state)
        steps.append(log_probs)
    return torch.stack(steps, dim=1)


def test_probabilities_sum_to_one(decoder):
    log_probs = decoder(*make_batch())
    assert log_probs.shape == (3, 6, NUM_TOKENS)
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(3, 6))


def test_the_memory_has_an_influence(decoder):
    tokens, memory, lengths = make_batch()
    change = decoder(tokens, -memory, lengths) - decoder(tokens, memory, lengths)
    assert change.abs().amax(dim=(1, 2)).min() > 1e-3


def test_step_by_step_equals_all_at_once(decoder):
    batch = make_batch()
    torch.testing.assert_close(
        run_steps(decoder, *batch), decoder(*batch), atol=1e-5, rtol=1e-5
    )


def test_alone_equals_in_a_batch(decoder):
    tokens, memory, lengths = make_batch()
    together = decoder(tokens, memory, lengths)
    for i, (num_frames, num_tokens) in enumerate(
        zip(MEMORY_LENGTHS, TEXT_LENGTHS, strict=True)
    ):
        alone = (
            tokens[i : i + 1, :num_tokens],
            memory[i : i + 1, :num_frames],
            lengths[i : i + 1],
        )
        expected = together[i : i + 1, :num_tokens]
        for run in (decoder, partial(run_steps, decoder)):
            torch.testing.assert_close(run(*alone), expected, atol=1e-5, rtol=1e-5)


def test_padding_may_hold_anything(decoder):
    tokens, memory, lengths = make_batch()
    expected = decoder(tokens, memory, lengths)
    for i, num_frames in enumerate(MEMORY_LENGTHS):
        memory[i, num_frames:] = torch.nan
        tokens[i, TEXT_LENGTHS[i] :] = 0
    found = decoder(tokens, memory, lengths)
    stepwise = run_steps(decoder, tokens, memory, lengths)
    for i, num_tokens in enumerate(TEXT_LENGTHS):
        valid = (i, slice(num_tokens))
        torch.testing.assert_close(found[valid], expected[valid])
        torch.testing.assert_close(
            stepwise[valid], expected[valid], atol=1e-5, rtol=1e-5
        )


def test_without_memory_scores_stay_finite(decoder):
    tokens, memory, _ = make_batch()
    lengths = torch.tensor([0, 0, 23])
    log_probs = decoder(tokens, memory, lengths)
    assert log_probs.isfinite().all()
    stepwise = run_steps(decoder, tokens, memory, lengths)
    torch.testing.assert_close(stepwise, log_probs, atol=1e-5, rtol=1e-5)


def test_gradients_are_finite_and_none_reach_padding(decoder):
    tokens, memory, lengths = make_batch()
    memory.requires_grad_()
    log_probs = decoder(tokens, memory, lengths)
    (log_probs * torch.randn_like(log_probs)).sum().backward()
    for i, num_frames in enumerate(MEMORY_LENGTHS):
        assert memory.grad[i, :num_frames].abs().amax(-1).min() > 0
        assert memory.grad[i, num_frames:].count_nonzero() == 0
    for name, parameter in decoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_no_token_sees_a_later_one(decoder):
    tokens, memory, lengths = make_batch()
    embedded = []

    def keep(_, __, output):
        embedded.append(output.requires_grad_())
        return output

    decoder.requires_grad_(False)
    decoder.embedding.register_forward_hook(keep)
    log_probs = decoder(tokens, memory, lengths)
    for u in range(tokens.shape[1]):
        (gradient,) = torch.autograd.grad(
            log_probs[:, u, 0].sum(), embedded[0], retain_graph=True
        )
        assert (gradient[:, : u + 1].abs().amax(-1) > 0).all()
        assert gradient[:, u + 1 :].count_nonzero() == 0


def test_hypotheses_can_be_reordered_and_repeated(decoder):
    tokens, memory, lengths = make_batch()
    state = decoder.start(memory, lengths)
    _, state = decoder.step(tokens[:, 0], state)
    indices = torch.tensor([2, 0, 0, 1])
    expected, _ = decoder.step(tokens[:, 1], state)
    found, _ = decoder.step(tokens[indices, 1], state.select(indices))
    torch.testing.assert_close(found, expected[indices], atol=1e-6, rtol=1e-5)


def test_a_step_leaves_its_state_alone(decoder):
    tokens, memory, lengths = make_batch()
    state = decoder.start(memory, lengths)
    expected, _ = decoder.step(tokens[:, 0], state)
    decoder.step(tokens[:, 1], state)
    found, _ = decoder.step(tokens[:, 0], state)
    assert torch.equal(found, expected)


def test_saved_and_loaded_is_the_same(decoder, tmp_path, request):
    expected = decoder(*make_batch())
    torch.save(decoder.state_dict(), tmp_path / "decoder.pt")
    torch.manual_seed(1)
    fresh = DECODERS[request.node.callspec.params["decoder"]]().eval()
    fresh.load_state_dict(torch.load(tmp_path / "decoder.pt", weights_only=True))
    torch.testing.assert_close(fresh(*make_batch()), expected)


def test_bf16_autocast_is_near(decoder, device):
    expected = decoder(*make_batch())
    with torch.autocast(device, torch.bfloat16):
        found = decoder(*make_batch())
        stepwise = run_steps(decoder, *make_batch())
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0.05)
    torch.testing.assert_close(stepwise, expected, atol=0.1, rtol=0.05)


def test_a_mamba_state_does_not_grow():
    decoder = DECODERS["mamba"]().eval()
    tokens, memory, lengths = make_batch()
    _, first = decoder.step(tokens[:, 0], decoder.start(memory[:, :5], lengths // 5))
    _, second = decoder.step(tokens[:, 0], decoder.start(memory, lengths))
    _, second = decoder.step(tokens[:, 1], second)
    for mixers in zip(first.blocks, second.blocks, strict=True):
        for before, after in zip(*mixers, strict=True):
            assert [x.shape for x in before] == [x.shape for x in after]


@pytest.mark.parametrize("positions", ["sinusoidal", None])
def test_positions_give_attention_the_order(positions):
    decoder = make_decoder(
        causal_attention, cross_attention, positions=positions, num_layers=1
    )
    tokens, memory, lengths = make_batch()
    tokens[:, :2] = torch.tensor([1, 2])
    swapped = tokens[:, [1, 0, 2, 3, 4, 5]]
    change = decoder(swapped, memory, lengths) - decoder(tokens, memory, lengths)
    assert (change[:, -1].abs().max() > 1e-4) == (positions is not None)


def test_unknown_positions_are_refused():
    with pytest.raises(ValueError, match="choose 'sinusoidal'"):
        make_decoder(causal_mamba, cross_mamba, positions="rope")


def test_heads_must_divide_the_model():
    for mixer in (CausalAttention, CrossAttention):
        with pytest.raises(ValueError, match="multiple of 3"):
            mixer(D_MODEL, num_heads=3)
