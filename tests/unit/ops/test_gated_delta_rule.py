"""The gated delta rule against the recurrence, transformers and fla's reference."""

import ast
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from lact_modules.ops import gated_delta_rule as module
from lact_modules.ops.gated_delta_rule import gated_delta_rule
from tests.references import import_naive, import_qwen3_next, locate_fla

BATCH, HEADS, KEY, VALUE = 3, 2, 4, 6
# chunks are of 32 frames
NUM_FRAMES = [1, 31, 32, 33, 75]


def naive(q, k, v, g, beta, state):
    """Go frame by frame: fade, correct what the key is known for, read."""
    outputs = []
    for t in range(q.shape[1]):
        state = state * g[:, t, :, None, None].exp()
        known = (k[:, t, :, :, None] * state).sum(-2)
        write = beta[:, t, :, None] * (v[:, t] - known)
        state = state + k[:, t, :, :, None] * write[..., None, :]
        outputs.append((q[:, t, :, :, None] * state).sum(-2) / KEY**0.5)
    return torch.stack(outputs, dim=1), state


def make_inputs(num_frames, dtype=torch.float64):
    generator = torch.Generator("cpu").manual_seed(num_frames)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    heads = BATCH, num_frames, HEADS
    q, k = normalize(draw(2, *heads, KEY), dim=-1)
    inputs = [q, k, draw(*heads, VALUE), -draw(*heads).abs(), draw(*heads).sigmoid()]
    inputs.append(draw(BATCH, HEADS, KEY, VALUE))
    return [x.to(dtype) for x in inputs]


def run(function, inputs):
    """Return output, last state, and the gradients of all inputs."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    outputs = function(*inputs)
    loss = 0
    for y in outputs:
        weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype, device=y.device)
        loss = loss + (y * weight.view_as(y)).sum()
    return [*(y.detach() for y in outputs), *torch.autograd.grad(loss, inputs)]


@pytest.mark.parametrize("num_frames", NUM_FRAMES)
def test_chunks_are_the_recurrence(num_frames):
    inputs = make_inputs(num_frames)
    expected = run(naive, inputs)
    torch.testing.assert_close(run(gated_delta_rule, inputs), expected)
    near = {"atol": 1e-4, "rtol": 1e-4}
    found = run(gated_delta_rule, [x.float() for x in inputs])
    torch.testing.assert_close(found, [x.float() for x in expected], **near)


@pytest.mark.parametrize("num_frames", NUM_FRAMES)
def test_it_is_that_of_transformers(num_frames):
    *inputs, state = make_inputs(num_frames, torch.float32)
    reference = import_qwen3_next().torch_chunk_gated_delta_rule
    expected = reference(*inputs, initial_state=state, output_final_state=True)
    found = gated_delta_rule(*inputs, state)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 75])
@pytest.mark.parametrize("form", ["recurrent", "chunk"])
def test_it_is_that_of_flash_linear_attention(form, num_frames):
    q, k, v, g, beta, state = make_inputs(num_frames, torch.float32)
    expected = getattr(import_naive(), f"naive_{form}_gated_delta_rule")(
        q, k, v, g=g, beta=beta, initial_state=state, output_final_state=True
    )
    found = gated_delta_rule(q, k, v, g, beta, state)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_kernel_is_given_what_it_takes(monkeypatch):
    calls = []

    def kernel(q, k, v, **options):
        calls.append(options)
        assert q.dtype == k.dtype == v.dtype
        return import_naive().naive_chunk_gated_delta_rule(q, k, v, **options)

    *inputs, state = make_inputs(75, torch.float32)
    is_padding = torch.arange(75) >= torch.tensor([75, 40, 2])[:, None]
    expected = gated_delta_rule(*inputs, state, is_padding)
    monkeypatch.setattr(module, "kernel_for", lambda *_: kernel)
    found = gated_delta_rule(*inputs, state, is_padding)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    source = ast.parse(Path(locate_fla("chunk.py")).read_text(encoding="utf-8"))
    [real] = [
        {each.arg for each in node.args.args}
        for node in source.body
        if isinstance(node, ast.FunctionDef) and node.name == "chunk_gated_delta_rule"
    ]
    assert {"q", "k", "v", *calls[0]} <= real


@pytest.mark.gpu
@pytest.mark.parametrize("num_frames", NUM_FRAMES)
def test_on_cuda_it_is_the_recurrence(num_frames):
    inputs = make_inputs(num_frames)
    found = run(gated_delta_rule, [x.cuda().float() for x in inputs])
    for x, y in zip(found, run(naive, inputs), strict=True):
        # Triton multiplies with fewer bits than float32 has
        assert (x.cpu() - y).norm() < 1e-2 * y.norm()


@pytest.mark.parametrize("cuts", [[1] * 7, [40, 35], [2, 32, 41]], ids=str)
def test_piece_by_piece_is_all_at_once(cuts):
    *inputs, state = make_inputs(sum(cuts))
    expected = gated_delta_rule(*inputs, state)
    outputs = []
    for piece in zip(*(x.split(cuts, dim=1) for x in inputs), strict=True):
        output, state = gated_delta_rule(*piece, state)
        outputs.append(output)
    torch.testing.assert_close((torch.cat(outputs, dim=1), state), expected)


def test_padding_leaves_the_state_as_it_is():
    inputs, lengths = make_inputs(75)[:5], [75, 40, 0]
    is_padding = torch.arange(75) >= torch.tensor(lengths)[:, None]
    together, states = gated_delta_rule(*inputs, is_padding=is_padding)
    assert states[2].count_nonzero() == 0
    for i, length in enumerate(lengths[:2]):
        alone, state = gated_delta_rule(*(x[i : i + 1, :length] for x in inputs))
        torch.testing.assert_close(alone[0], together[i, :length])
        torch.testing.assert_close(state[0], states[i])


def test_a_key_that_is_written_twice_is_known_for_the_last():
    k = torch.tensor([1.0, 0.0]).expand(1, 64, 1, 2)
    v = torch.randn(1, 64, 1, 3)
    output, state = gated_delta_rule(
        k, k, v, torch.zeros(1, 64, 1), torch.ones(1, 64, 1)
    )
    # by a sum, as of attention without a softmax, it would be known for all
    torch.testing.assert_close(output, v / 2**0.5)
    torch.testing.assert_close(state[0, 0, 0], v[0, -1, 0])


def test_frames_that_are_all_alike_and_fade_at_once_stay_finite():
    k = normalize(torch.ones(1, 200, 1, 8), dim=-1)
    v, g = torch.ones(1, 200, 1, 8), torch.full((1, 200, 1), -100.0)
    found = run(gated_delta_rule, [k, k, v, g, torch.ones(1, 200, 1)])
    assert all(x.isfinite().all() for x in found)
    torch.testing.assert_close(found[0], v / 8**0.5)


def test_states_stay_float32_under_autocast_and_in_bf16():
    inputs = [x.bfloat16() for x in make_inputs(75)[:5]]
    expected, _ = gated_delta_rule(*(x.double() for x in inputs))
    with torch.autocast("cpu", torch.bfloat16):
        output, state = gated_delta_rule(*inputs)
    assert (output.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    # rounded to bf16 once, at the end
    torch.testing.assert_close(output.double(), expected, rtol=2**-8, atol=1e-4)
