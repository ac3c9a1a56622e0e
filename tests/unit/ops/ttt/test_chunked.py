"""`chunked_ttt` against its specification, and what its callers rely on."""

import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from lact_modules.ops import FastWeight, UpdateRule, chunked_ttt
from lact_modules.ops.ttt.naive import naive_ttt

RULES = [
    UpdateRule(optimizer=optimizer, normalization=normalization, update=update)
    for optimizer, normalization, update in itertools.product(
        ["gradient_descent", "muon"], ["post", "pre", "none"], ["all", "down"]
    )
] + [
    UpdateRule(
        gain=0.5, decay=0.2, normalization=n, update=update, accumulate=accumulate
    )
    for n, update, accumulate in itertools.product(
        ["post", "pre", "none"], ["all", "down"], ["steps", "directions"]
    )
]
CLIPPED = UpdateRule("clipped_descent", normalization="none")
RULES += [CLIPPED, replace(CLIPPED, update="down", accumulate="directions")]
# computed for all chunks at once
SUMMED = UpdateRule(decay=0.1, update="down", accumulate="directions")
MODES = ["bidirectional", "block", "shifted"]
# outputs and gradients of the published implementation, kept elsewhere
VECTORS = Path(os.environ.get("LACT_VECTORS", "vectors"))


def make_inputs(num_frames, batch_size=2, num_heads=2, head_dim=4, hidden=6, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        values = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return values.requires_grad_()

    frames = {name: rand(batch_size, num_frames, num_heads, head_dim) for name in "qkv"}
    frames["lr"] = rand(batch_size, num_frames, num_heads, 3)
    factors = rand(batch_size, num_frames, num_heads, 1).detach().sigmoid()
    frames["momentum"] = factors.requires_grad_()
    weight = FastWeight(
        rand(num_heads, hidden, head_dim),
        rand(num_heads, hidden, head_dim),
        rand(num_heads, head_dim, hidden),
    )
    return frames, weight


def gradients(output, frames, weight):
    """Gradients of a fixed random projection of the output."""
    generator = torch.Generator().manual_seed(1)
    target = torch.randn(output.shape, generator=generator, dtype=output.dtype)
    leaves = [*frames.values(), *weight]
    return torch.autograd.grad((output * target).sum(), leaves, materialize_grads=True)


def assert_all_close(ours, theirs, atol):
    for x, y in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, y, atol=atol, rtol=atol)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_frames", [1, 15, 16, 17, 63])
@pytest.mark.filterwarnings("ignore:shifted mode")
def test_agrees_with_specification(mode, num_frames):
    for rule in RULES:
        frames, weight = make_inputs(num_frames)
        arguments = dict(mode=mode, chunk_size=16, rule=rule)
        output, _ = chunked_ttt(**frames, fast_weight=weight, **arguments)
        expected = naive_ttt(**frames, fast_weight=weight, **arguments)
        torch.testing.assert_close(output, expected, atol=1e-10, rtol=1e-10)
        assert_all_close(
            gradients(output, frames, weight),
            gradients(expected, frames, weight),
            atol=1e-8,
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "rule",
    [
        UpdateRule("gradient_descent"),
        UpdateRule("muon"),
        *RULES[-2:],
        SUMMED,
    ],
)
def test_padding_has_no_influence(mode, rule):
    frames, weight = make_inputs(40)
    is_padding = torch.arange(40) >= torch.tensor([[40], [13]])
    with torch.no_grad():
        for name in "qkv":
            frames[name][1, 13:] = torch.nan
        frames["lr"][1, 13:] = torch.nan
        frames["momentum"][1, 13:] = torch.nan
    arguments = dict(mode=mode, chunk_size=8, rule=rule)
    output, _ = chunked_ttt(
        **frames, fast_weight=weight, is_padding=is_padding, **arguments
    )
    expected = naive_ttt(
        **frames, fast_weight=weight, is_padding=is_padding, **arguments
    )
    assert output.isfinite().all()
    is_valid = ~is_padding
    torch.testing.assert_close(output[is_valid], expected[is_valid])
    for gradient in gradients(output[is_valid], frames, weight):
        assert gradient.isfinite().all()


def test_utterance_of_padding_alone_leaves_no_nan():
    frames, weight = make_inputs(6)
    is_padding = torch.tensor([[False] * 6, [True] * 6])
    output, state = chunked_ttt(
        **frames,
        fast_weight=weight,
        mode="bidirectional",
        rule=UpdateRule(),
        is_padding=is_padding,
    )
    assert output.isfinite().all()
    torch.testing.assert_close(state.learned["gate"][1], weight.gate)
    for gradient in gradients(output[:1], frames, weight):
        assert gradient.isfinite().all()


def run_in_pieces(frames, weight, borders, **arguments):
    state, outputs = None, []
    for start, stop in itertools.pairwise(borders):
        piece = {name: x[:, start:stop] for name, x in frames.items()}
        output, state = chunked_ttt(
            **piece, fast_weight=weight, state=state, **arguments
        )
        outputs.append(output)
    return torch.cat(outputs, dim=1), state


@pytest.mark.parametrize(
    ("mode", "borders"),
    [
        ("shifted", list(range(51))),
        ("shifted", [0, 3, 8, 9, 25, 25, 50]),
        ("block", [0, 8, 24, 40, 50]),
    ],
)
@pytest.mark.parametrize(
    "rule",
    [
        UpdateRule(normalization="post"),
        UpdateRule(normalization="pre"),
        UpdateRule(accumulate="directions", decay=0.1),
        SUMMED,
    ],
)
@pytest.mark.filterwarnings("ignore:shifted mode")
def test_pieces_with_state_equal_one_call(mode, borders, rule):
    frames, weight = make_inputs(50)
    arguments = dict(mode=mode, chunk_size=8, rule=rule)
    whole, end = chunked_ttt(**frames, fast_weight=weight, **arguments)
    joined, joined_end = run_in_pieces(frames, weight, borders, **arguments)
    torch.testing.assert_close(joined, whole)
    torch.testing.assert_close(joined_end.learned, end.learned)
    torch.testing.assert_close(joined_end.pending.k, end.pending.k)


def test_block_state_does_not_depend_on_the_pieces():
    frames, weight = make_inputs(50)
    arguments = dict(mode="block", chunk_size=8, rule=UpdateRule())
    _, end = chunked_ttt(**frames, fast_weight=weight, **arguments)
    _, joined_end = run_in_pieces(frames, weight, [0, 3, 19, 50], **arguments)
    torch.testing.assert_close(joined_end.learned, end.learned)


def test_summed_directions_end_where_bidirectional_mode_does():
    frames, weight = make_inputs(50)
    del frames["momentum"]
    rule = UpdateRule(accumulate="directions", update="down")
    arguments = dict(fast_weight=weight, rule=rule, chunk_size=10)
    _, whole = chunked_ttt(**frames, mode="bidirectional", **arguments)
    _, chunked = chunked_ttt(**frames, mode="block", **arguments)
    torch.testing.assert_close(chunked.learned["down"], whole.learned["down"])


def test_bidirectional_carries_what_it_learned():
    frames, weight = make_inputs(20)
    arguments = dict(mode="bidirectional", rule=UpdateRule())
    _, state = chunked_ttt(**frames, fast_weight=weight, **arguments)
    assert state.pending is None
    again, _ = chunked_ttt(**frames, fast_weight=weight, state=state, **arguments)
    fresh, _ = chunked_ttt(**frames, fast_weight=weight, **arguments)
    assert (again - fresh).abs().max() > 1e-3


def test_weights_per_utterance_adapt_alone():
    frames, weight = make_inputs(12)
    arguments = dict(mode="bidirectional", rule=UpdateRule())
    expanded = FastWeight(*(x.expand(2, -1, -1, -1).clone() for x in weight))
    one, _ = chunked_ttt(**frames, fast_weight=weight, **arguments)
    two, _ = chunked_ttt(**frames, fast_weight=expanded, **arguments)
    torch.testing.assert_close(one, two)


def test_muon_keeps_the_initial_weights():
    # the published bidirectional code replaces them by the gradient
    frames, weight = make_inputs(12)
    rule = UpdateRule(gain=0.0)
    _, state = chunked_ttt(
        **frames, fast_weight=weight, mode="bidirectional", rule=rule
    )
    gate = state.learned["gate"][0]
    torch.testing.assert_close(gate, weight.gate, atol=1e-4, rtol=1e-4)


def test_learnable_gain_gets_a_gradient():
    frames, weight = make_inputs(12)
    gain = torch.ones(2, 1, 1, dtype=torch.float64, requires_grad=True)
    output, _ = chunked_ttt(
        **frames, fast_weight=weight, mode="bidirectional", rule=UpdateRule(gain=gain)
    )
    (gradient,) = torch.autograd.grad(output.square().sum(), gain)
    assert gradient.abs().min() > 0


@pytest.mark.parametrize("rule", [UpdateRule(), SUMMED])
@pytest.mark.parametrize("mode", MODES)
def test_bf16_autocast_keeps_weights_in_float32(mode, rule):
    frames, weight = make_inputs(24)
    weight = FastWeight(*(x.detach().float() for x in weight))
    frames = {name: x.detach().float() for name, x in frames.items()}
    arguments = dict(mode=mode, chunk_size=8, rule=rule)
    with torch.autocast("cpu", torch.bfloat16):
        output, state = chunked_ttt(**frames, fast_weight=weight, **arguments)
    assert state.learned["down"].dtype == torch.float32
    expected, _ = chunked_ttt(**frames, fast_weight=weight, **arguments)
    error = (output.float() - expected).norm() / expected.norm()
    assert error < 0.05


@pytest.mark.gpu
@pytest.mark.parametrize("rule", [UpdateRule(), SUMMED])
@pytest.mark.parametrize("mode", MODES)
def test_cuda_agrees_with_the_cpu(mode, rule):
    frames, weight = make_inputs(40)
    arguments = dict(mode=mode, chunk_size=8, rule=rule)
    expected, _ = chunked_ttt(**frames, fast_weight=weight, **arguments)
    output, _ = chunked_ttt(
        **{name: x.cuda() for name, x in frames.items()},
        fast_weight=FastWeight(*(x.cuda() for x in weight)),
        **arguments,
    )
    torch.testing.assert_close(output.cpu(), expected)
    assert_all_close(
        gradients(output.cpu(), frames, weight),
        gradients(expected, frames, weight),
        atol=1e-8,
    )


@pytest.mark.parametrize("rule", [UpdateRule(), SUMMED])
def test_compiles_to_the_same_result(rule):
    frames, weight = make_inputs(24)
    arguments = dict(mode="block", chunk_size=8, rule=rule)
    compiled = torch.compile(chunked_ttt, backend="aot_eager", fullgraph=True)
    output, _ = compiled(**frames, fast_weight=weight, **arguments)
    expected, _ = chunked_ttt(**frames, fast_weight=weight, **arguments)
    torch.testing.assert_close(output, expected)
    assert_all_close(
        gradients(output, frames, weight), gradients(expected, frames, weight), 1e-8
    )


def kept_bytes(function):
    """Return the memory that a call leaves allocated, its graph's included."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = function()
    assert result.requires_grad
    return sum(event.self_cpu_memory_usage for event in profiler.key_averages())


@pytest.mark.parametrize("rule", [UpdateRule(), UpdateRule(update="down"), SUMMED])
def test_training_in_chunks_keeps_as_much_as_on_whole_utterances(rule):
    frames, weight = make_inputs(256, head_dim=32, hidden=32)

    def run(mode, chunk_size):
        return chunked_ttt(
            **frames, fast_weight=weight, mode=mode, chunk_size=chunk_size, rule=rule
        )[0]

    in_chunks = kept_bytes(lambda: run("block", 8))
    del frames["momentum"]
    assert 0 < in_chunks < 1.3 * kept_bytes(lambda: run("bidirectional", None))


def test_shifted_warns_when_it_never_updates():
    frames, weight = make_inputs(8)
    arguments = dict(mode="shifted", chunk_size=8, rule=UpdateRule())
    with pytest.warns(UserWarning, match="never updates"):
        chunked_ttt(**frames, fast_weight=weight, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "causal"}, "choose one of"),
        ({"mode": "block"}, "chunk_size"),
        ({"mode": "shifted", "chunk_size": 0}, "chunk_size"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    frames, weight = make_inputs(4)
    with pytest.raises(ValueError, match=message):
        chunked_ttt(**frames, fast_weight=weight, rule=UpdateRule(), **arguments)


@pytest.mark.parametrize(
    "field", ["optimizer", "normalization", "update", "accumulate", "coefficients"]
)
def test_unknown_rule_lists_the_choices(field):
    with pytest.raises(ValueError, match=f"{field}='nonsense': choose one of"):
        UpdateRule(**{field: "nonsense"})


@pytest.mark.skipif(
    not VECTORS.is_dir(), reason="needs the published vectors (LACT_VECTORS)"
)
@pytest.mark.parametrize("optimizer", ["gd", "muon"])
@pytest.mark.parametrize("momentum", ["", "_momentum"])
@pytest.mark.parametrize("normalization", ["post", "pre"])
@pytest.mark.parametrize("size", ["L63c16", "L48c48"])
@pytest.mark.filterwarnings("ignore:shifted mode")
def test_agrees_with_published_vectors(optimizer, momentum, normalization, size):
    name = f"shifted_{optimizer}{momentum}_{normalization}norm_{size}.npz"
    vectors = {
        key: torch.from_numpy(x) for key, x in numpy.load(VECTORS / name).items()
    }
    # N instances stand in the head dimension: (N, T, D) -> (1, T, N, D)
    inputs = {
        key: vectors[key].transpose(0, 1)[None].requires_grad_()
        for key in ("q", "k", "v", "lr_gate", "lr_down", "lr_up")
    }
    weight = FastWeight(
        *(vectors[f"w_{key}"].requires_grad_() for key in FastWeight._fields)
    )
    rule = UpdateRule(
        optimizer={"gd": "gradient_descent"}.get(optimizer, optimizer),
        normalization=normalization,
    )
    output, _ = chunked_ttt(
        *(inputs[key] for key in "qkv"),
        torch.cat([inputs[f"lr_{key}"] for key in ("gate", "down", "up")], dim=-1),
        weight,
        mode="shifted",
        chunk_size=int(vectors["chunk_size"]),
        rule=rule,
        momentum=vectors["momentum"].transpose(0, 1)[None] if momentum else None,
    )
    output = output[0].transpose(0, 1)
    torch.testing.assert_close(output, vectors["output"], atol=1e-9, rtol=1e-9)
    leaves = [*inputs.values(), *weight]
    computed = torch.autograd.grad(
        output, leaves, vectors["grad_output"], materialize_grads=True
    )
    expected = [vectors[f"grad_{key}"].transpose(0, 1)[None] for key in inputs]
    expected += [vectors[f"grad_w_{key}"] for key in FastWeight._fields]
    assert_all_close(computed, expected, atol=1e-9)
