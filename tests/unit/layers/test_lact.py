"""The LaCT mixer: its branches, what it learns within an utterance, its faults."""

import pytest
import torch

from lact_modules.layers import LaCTMixer
from lact_modules.layers.chunking import Chunking
from lact_modules.ops import UpdateRule


def no_padding(x):
    return torch.zeros(x.shape[:2], dtype=torch.bool)


def test_fast_weights_carry_what_the_window_forgets():
    torch.manual_seed(0)
    x = torch.randn(1, 20, 16)
    changed = x.clone()
    changed[:, 0] += 1.0

    def reaches_the_end(**options):
        torch.manual_seed(1)
        mixer = LaCTMixer(16, num_heads=2, window=[2, 2], **options)
        difference = mixer(x, no_padding(x)) - mixer(changed, no_padding(x))
        return difference[:, -1].abs().max() > 1e-7

    assert not reaches_the_end(num_lact_heads=0)
    assert reaches_the_end(num_lact_heads=2)


def test_rates_start_at_the_base_rate():
    mixer = LaCTMixer(16, 2, 2, base_lr=0.02)
    rates = torch.nn.functional.softplus(mixer.fast.project_lr(torch.zeros(1, 1, 16)))
    torch.testing.assert_close(rates, torch.full((1, 1, 6), 0.02))


@pytest.mark.parametrize("accumulate", ["steps", "directions"])
def test_every_fast_parameter_learns(accumulate):
    torch.manual_seed(0)
    rule = UpdateRule(gain=0.5, decay=0.1, accumulate=accumulate)
    options = dict(use_momentum=True, mode="block", chunk_size=5, learn_rule=True)
    mixer = LaCTMixer(16, 2, 2, rule=rule, **options)
    x = torch.randn(2, 15, 16)
    (mixer(x, no_padding(x)) * torch.randn(2, 15, 16)).sum().backward()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def applied(mixer, state):
    """Return what the fast weights have become."""
    return mixer.fast.current_rule.weight(
        state.fast.carried.learned, mixer.fast.initial
    )


def test_summed_directions_never_leave_the_trained_weights():
    torch.manual_seed(0)
    x = torch.randn(1, 4000, 16)
    rule = UpdateRule(gain=0.3, decay=0.01, update="down", accumulate="directions")
    mixer = LaCTMixer(16, num_heads=0, num_lact_heads=2, rule=rule)
    similarities = []
    with torch.no_grad():
        state = None
        for piece in x.split(1000, dim=1):
            _, state = mixer.chunked(piece, no_padding(piece), Chunking(2, 0), state)
            down = applied(mixer, state).down[0]
            similarity = torch.cosine_similarity(down, mixer.fast.down, dim=-1)
            similarities.append(similarity.mean())
    assert min(similarities) > 0.9


@pytest.mark.parametrize("normalization", ["post", "pre"])
def test_what_has_long_been_known_outlasts_thousands_of_updates(normalization):
    torch.manual_seed(0)
    x = torch.randn(1, 4000, 16)

    def similarity(decay):
        rule = UpdateRule(gain=0.3, decay=decay, normalization=normalization)
        mixer = LaCTMixer(16, num_heads=0, num_lact_heads=2, rule=rule)
        _, state = mixer.chunked(x, no_padding(x), Chunking(size=2, left=0))
        down = applied(mixer, state).down[0]
        assert down.isfinite().all()
        norms = down.norm(dim=-1), mixer.fast.down.norm(dim=-1)
        torch.testing.assert_close(*norms, atol=1e-4, rtol=1e-4)
        return torch.cosine_similarity(down, mixer.fast.down, dim=-1).mean()

    with torch.no_grad():
        assert similarity(decay=0.0) < 0.3
        assert similarity(decay=0.1) > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 0, "num_lact_heads": 0}, "one must be above 0"),
        ({"num_heads": 3, "num_lact_heads": 2}, "multiple of 2 x 3"),
        ({"num_heads": 2, "num_lact_heads": 5}, "multiple of 2 x 5"),
        ({"num_heads": 2, "num_lact_heads": 2, "use_momentum": True}, "momentum"),
        ({"num_heads": 2, "num_lact_heads": 2, "learn_rule": True}, "decay"),
    ],
)
def test_impossible_heads_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        LaCTMixer(16, **options)


@pytest.mark.parametrize("learn_rule", [False, True])
def test_the_gain_grows_over_the_first_batches_of_training(learn_rule):
    torch.manual_seed(0)
    options = dict(rule=UpdateRule(gain=0.5, decay=0.1), learn_rule=learn_rule)
    mixer = LaCTMixer(16, 2, 2, gain_warmup=4, **options)
    x, gains = torch.randn(1, 9, 16), []
    for batch in range(5):
        mixer(x, no_padding(x))
        # one that is not learned from does not count
        mixer.eval()(x, no_padding(x))
        gains.append(torch.as_tensor(mixer.fast.current_rule.gain).mean().item())
        if batch == 2:
            fresh = LaCTMixer(16, 2, 2, gain_warmup=4, **options)
            fresh.load_state_dict(mixer.state_dict())
            mixer = fresh
        mixer.train()
    assert gains == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5])
    warm = LaCTMixer(16, 2, 2, **options)
    warm.load_state_dict(mixer.state_dict(), strict=False)
    torch.testing.assert_close(
        mixer.eval()(x, no_padding(x)), warm.eval()(x, no_padding(x))
    )


def test_a_batch_in_segments_warms_the_gain_once():
    mixer = LaCTMixer(16, 2, 2, gain_warmup=4)
    x, chunking, state = torch.randn(1, 8, 16), Chunking(size=4, left=4), None
    for segment in x.split(4, dim=1):
        _, state = mixer.chunked(segment, no_padding(segment), chunking, state)
    assert mixer.fast.num_batches == 1
