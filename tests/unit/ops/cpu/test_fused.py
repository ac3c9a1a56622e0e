"""What C++ does to frames against the same in PyTorch, with gradients of two orders."""

from functools import partial

import pytest
import torch

from lact_modules.ops import FastWeight
from lact_modules.ops.cpu import native
from lact_modules.ops.cpu.fused import has_fused
from lact_modules.ops.depthwise import convolve_frames
from lact_modules.ops.heads import Activation, Part, join_heads, split_heads
from lact_modules.ops.rotary import make_rotation
from lact_modules.ops.ttt.fast_branch import answer_frames, learn_frames
from lact_modules.ops.ttt.gate import gate

HEADS, SIZE = 3, 6
WIDTH = HEADS * SIZE


def split(x, scale, offset, activated=True, unit=True, rotated=True):
    """Change the second part of channels that stand behind others; join the heads."""
    rotation = make_rotation(2, x.shape[1], SIZE, like=x) if rotated else None
    activation = Activation(scale, offset) if activated else None
    parts = [Part(), Part(activation, unit, rotation)]
    return torch.cat(split_heads(x[..., WIDTH:], HEADS, parts), dim=-1)


def padding(x):
    """Leave out the end of the second utterance, if there is one of some frames."""
    frame = torch.arange(x.shape[1])
    return torch.stack([frame < 0, frame > x.shape[1] // 2])


def learn(x, rates, gate, up, scale, offset):
    """Learn from channels that stand behind others."""
    weight = FastWeight(gate, up, up.mT)
    direction = learn_frames(
        x[..., WIDTH:], rates, weight, Activation(scale, offset), padding(x), "down"
    )
    return direction["down"]


def answer(x, gate, up, down, norm, opening, scale, offset):
    """Answer channels that others follow."""
    activation = Activation(scale, offset)
    weight = FastWeight(gate, up, down)
    q, is_padding = x[..., :WIDTH], padding(x)
    y = answer_frames(q, weight, activation, norm, opening, is_padding)
    return y.masked_fill(is_padding[..., None], 0.0)


HIDDEN = 5
UNITS = [(2, HEADS, HIDDEN, SIZE)] * 2
WIDE = [(2, "T", 3 * WIDTH), (WIDTH,), (WIDTH,)]
DEPTHWISE = [(2, "T", 37), (37, 1, 5), (37,)]
FUNCTIONS = {
    "split": (split, WIDE),
    "split_unrotated": (partial(split, rotated=False), WIDE),
    "split_activated": (partial(split, unit=False, rotated=False), WIDE),
    "split_rotated": (
        lambda x: split(x, None, None, activated=False, unit=False),
        WIDE[:1],
    ),
    "split_unit": (lambda x: split(x, None, None, False, True, False), WIDE[:1]),
    "split_alone": (lambda x: split(x, None, None, False, False, False), WIDE[:1]),
    "join": (join_heads, [(2, HEADS, "T", SIZE), (SIZE,), (2, "T", HEADS)]),
    "gate": (gate, [(2, HEADS, "T", 2 * SIZE)]),
    "learn": (learn, [WIDE[0], (2, "T", HEADS, 3), *UNITS, *WIDE[1:]]),
    "answer": (
        answer,
        [
            WIDE[0],
            *UNITS,
            (2, HEADS, SIZE, HIDDEN),
            (SIZE,),
            (2, "T", HEADS),
            *WIDE[1:],
        ],
    ),
    "depthwise": (partial(convolve_frames, context=(2, 2)), DEPTHWISE),
    "depthwise_causal": (partial(convolve_frames, context=(4, 0)), DEPTHWISE),
    "depthwise_short": (partial(convolve_frames, context=(4, 3)), DEPTHWISE),
}
every_function = pytest.mark.parametrize("name", FUNCTIONS)


@pytest.fixture(autouse=True)
def compiled():
    if not has_fused(torch.zeros(1)):
        pytest.skip("no C++ compiler")


def draw(name, num_frames, dtype, scale=1.0):
    generator = torch.Generator().manual_seed(num_frames)
    shapes = [
        [num_frames if size == "T" else size for size in shape]
        for shape in FUNCTIONS[name][1]
    ]
    wide = [
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes
    ]
    return [(scale * each).to(dtype).requires_grad_() for each in wide]


def run(name, inputs, create_graph=False):
    """Return the output, and the gradients of all inputs."""
    y = FUNCTIONS[name][0](*inputs)
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)
    return [y, *torch.autograd.grad(y, inputs, weight, create_graph=create_graph)]


def runs_in_cpp(y):
    """Return whether it was made so, or joined of parts that were."""
    before = [y.grad_fn, *(function for function, _ in y.grad_fn.next_functions)]
    return any(each and each.name().startswith("_") for each in before)


def assert_close(found, expected, tolerance=1e-5):
    for each, wanted in zip(found, expected, strict=True):
        error = (each.double() - wanted.double()).norm()
        assert error < tolerance * max(1.0, wanted.norm()), error


@every_function
@pytest.mark.parametrize("num_frames", [1, 7, 40, 1050])
def test_both_forms_agree(name, num_frames):
    single = draw(name, num_frames, torch.float32)
    found = run(name, single)
    assert runs_in_cpp(found[0])
    assert_close(found, run(name, draw(name, num_frames, torch.float64)))


@every_function
def test_large_values_agree(name):
    # beyond 88 the exponential in SiLU is infinite in float32
    single = draw(name, 40, torch.float32, scale=100.0)
    double = [each.detach().double().requires_grad_() for each in single]
    found = run(name, single)
    assert_close(found, run(name, double), tolerance=1e-3)


@every_function
def test_second_gradients_agree(name):
    results = []
    for dtype in (torch.float32, torch.float64):
        inputs = draw(name, 9, dtype)
        _, *gradients = run(name, inputs, create_graph=True)
        if not gradients[0].requires_grad:
            pytest.skip("is linear")
        total = sum(gradient.square().sum() for gradient in gradients)
        results.append(torch.autograd.grad(total, inputs, materialize_grads=True))
    assert_close(*results, tolerance=1e-4)


@every_function
def test_second_gradients_of_strided_inputs_agree(name):
    results = []
    for dtype in (torch.float32, torch.float64):
        inputs = draw(name, 9, dtype)
        # every other channel of what is twice as wide
        wide = [x.detach().repeat_interleave(2, dim=-1) for x in inputs]
        strided = [x.requires_grad_()[..., ::2] for x in wide]
        y = FUNCTIONS[name][0](*strided)
        weight = torch.linspace(-1, 2, y.numel(), dtype=dtype).view_as(y)
        found = torch.autograd.grad(y, wide, weight, create_graph=True)
        total = sum((each.square() + each * y.sum()).sum() for each in found)
        results.append(torch.autograd.grad(total, wide, materialize_grads=True))
    assert_close(*results, tolerance=1e-4)


@every_function
def test_threads_change_nothing(name):
    alone = run(name, draw(name, 20, torch.float32))
    torch.set_num_threads(3)
    try:
        together = run(name, draw(name, 20, torch.float32))
    finally:
        torch.set_num_threads(1)
    assert all(map(torch.equal, alone, together))


@every_function
def test_the_environment_switches_it_off(name, monkeypatch):
    monkeypatch.setenv(native.SWITCH, "0")
    y, *_ = run(name, draw(name, 9, torch.float32))
    assert not runs_in_cpp(y)


def test_heads_of_zeros_stay_finite():
    x = torch.zeros(1, 2, WIDTH, requires_grad=True)
    (y,) = split_heads(x, HEADS, [Part(unit=True)])
    y = join_heads(y, torch.ones(SIZE), torch.ones(1, 2, HEADS))
    y.sum().backward()
    assert y.eq(0).all()
    assert x.grad.isfinite().all()


def test_parts_without_gradients_need_none():
    x, scale, offset = draw("split", 5, torch.float32)
    y = split(x.detach(), scale, offset.detach())
    y.sum().backward()
    assert scale.grad is not None
    assert x.grad is None
