"""Attention in blocks against the dense form, and what it costs."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from lact_modules.ops.attention import (
    attend,
    attention_mask,
    chunk_attention,
    window_attention,
)
from lact_modules.ops.cpu import native
from lact_modules.ops.cpu.local_attention import has_native_attention
from lact_modules.ops.rotary import make_rotation, rotate

WINDOWS = ((0, 0), (3, 1), (64, 64), (10, 0), (0, 7), (40, 3), (None, 2), (None, None))


def draw(num_frames, past=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(num_frames)
    shapes = [(3, frames, 2, 8) for frames in (num_frames, *2 * [past + num_frames])]
    return [
        torch.randn(shape, dtype=dtype, generator=generator).requires_grad_()
        for shape in shapes
    ]


def padding(num_frames):
    """Return a whole utterance, half of one, and one of nothing but padding."""
    lengths = torch.tensor([num_frames, num_frames // 2, 0])
    return torch.arange(num_frames) >= lengths[:, None]


def gradients(output, valid, inputs):
    return torch.autograd.grad((output * valid).square().sum(), inputs)


def assert_alike(output, expected, is_padding, inputs, tolerance=1e-12):
    """Compare where nothing is padded; all is to be finite."""
    assert output.isfinite().all()
    valid = ~is_padding[..., None, None]
    close = {"atol": tolerance, "rtol": 0.0}
    torch.testing.assert_close(output * valid, expected * valid, **close)
    of_both = (gradients(each, valid, inputs) for each in (output, expected))
    for gradient, wanted in zip(*of_both, strict=True):
        torch.testing.assert_close(gradient, wanted, **close)


def test_dense_attention_agrees_with_its_definition():
    q, k, v = torch.randn(3, 1, 7, 2, 4)
    is_padding = torch.tensor([[False] * 5 + [True] * 2])
    output = attend(q, k, v, attention_mask(is_padding, (2, 1)))
    for query in range(5):
        keys = slice(max(0, query - 2), min(5, query + 2))
        scores = torch.einsum("hd,khd->hk", q[0, query], k[0, keys]) / 2
        expected = torch.einsum("hk,khd->hd", scores.softmax(-1), v[0, keys])
        torch.testing.assert_close(output[0, query], expected)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("num_frames", [1, 31, 64, 97, 333])
def test_windows_are_those_of_the_dense_form(num_frames, window):
    inputs, is_padding = draw(num_frames), padding(num_frames)
    output = window_attention(*inputs, is_padding, window)
    expected = attend(*inputs, attention_mask(is_padding, window))
    assert_alike(output, expected, is_padding, inputs)


@pytest.fixture
def compiled():
    if not has_native_attention(torch.zeros(1), 0.0):
        pytest.skip("no C++ compiler")


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("num_frames", [1, 7, 97, 300])
@pytest.mark.parametrize("window", [*WINDOWS[:-1], (None, 0), (300, 40)])
def test_windows_in_cpp_are_those_of_the_dense_form(num_frames, window):
    inputs, is_padding = draw(num_frames), padding(num_frames)
    single = [x.detach().float().requires_grad_() for x in inputs]
    output = window_attention(*single, is_padding, window)
    assert output.grad_fn.name() == "_AttentionBackward"
    expected = attend(*inputs, attention_mask(is_padding, window))
    assert output.isfinite().all()
    valid = ~is_padding[..., None, None]
    found = [output * valid, *gradients(output, valid, single)]
    wanted = [expected * valid, *gradients(expected, valid, inputs)]
    for each, true in zip(found, wanted, strict=True):
        torch.testing.assert_close(each.double(), true, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("num_frames", [1, 97, 300])
@pytest.mark.parametrize("window", [(3, 1), (64, 64), (0, 7)])
def test_queries_and_keys_are_turned_in_cpp_too(num_frames, window):
    inputs, is_padding = draw(num_frames), padding(num_frames)
    valid = ~is_padding[..., None, None]
    results = []
    for dtype in (torch.float32, torch.float64):
        q, k, v = qkv = [x.detach().to(dtype).requires_grad_() for x in inputs]
        rotation = make_rotation(5, num_frames, q.shape[-1], like=q)
        if dtype == torch.float32:
            output = window_attention(q, k, v, is_padding, window, rotation=rotation)
            assert output.grad_fn.name() == "_AttentionBackward"
        else:
            # heads stand before frames in what is turned
            turned = [
                rotate(x.transpose(1, 2), rotation).transpose(1, 2) for x in (q, k)
            ]
            output = attend(*turned, v, attention_mask(is_padding, window))
        results.append([output * valid, *gradients(output, valid, qkv)])
    for each, true in zip(*results, strict=True):
        torch.testing.assert_close(each.double(), true, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("past", [0, 64])
@pytest.mark.parametrize(("size", "left"), [(1, 0), (4, 3), (32, 64), (500, 16)])
def test_chunks_in_cpp_are_those_in_pytorch(past, size, left):
    inputs, is_padding = draw(97, past), padding(past + 97)
    single = [x.detach().float().requires_grad_() for x in inputs]
    valid = ~is_padding[:, past:, None, None]
    results = []
    for qkv in (single, inputs):
        output = chunk_attention(*qkv, is_padding, size, left)
        results.append([output * valid, *gradients(output, valid, qkv)])
    for each, true in zip(*results, strict=True):
        torch.testing.assert_close(each.double(), true, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize(
    "run",
    [
        lambda *x: window_attention(*x, window=(40, 3)),
        lambda *x: window_attention(*x, window=(None, 2)),
        lambda *x: chunk_attention(*x, size=16, left=8),
    ],
)
def test_gradients_in_cpp_have_gradients(run):
    inputs, is_padding = draw(97), padding(97)
    single = [x.detach().float().requires_grad_() for x in inputs]
    valid = ~is_padding[..., None, None]
    results = []
    for qkv in (single, inputs):
        with sdpa_kernel(SDPBackend.MATH):
            loss = (run(*qkv, is_padding) * valid).square().sum()
            first = torch.autograd.grad(loss, qkv, create_graph=True)
            results.append(torch.autograd.grad(sum(g.sin().sum() for g in first), qkv))
    for each, true in zip(*results, strict=True):
        torch.testing.assert_close(each.double(), true, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("compiled")
def test_threads_change_nothing_and_the_environment_switches_it_off(monkeypatch):
    def run():
        q, k, v = (x.detach().float().requires_grad_() for x in draw(300))
        output = window_attention(q, k, v, padding(300), (3, 1))
        return [output, *torch.autograd.grad(output.square().sum(), (q, k, v))]

    alone = run()
    torch.set_num_threads(3)
    try:
        assert all(map(torch.equal, alone, run()))
    finally:
        torch.set_num_threads(1)
    monkeypatch.setenv(native.SWITCH, "0")
    assert run()[0].grad_fn.name() != "_AttentionBackward"


@pytest.mark.parametrize("window", [(40, 3), (None, None)])
def test_bfloat16_agrees_too(window):
    inputs, is_padding = draw(97, dtype=torch.bfloat16), padding(97)
    output = window_attention(*inputs, is_padding, window)
    assert output.dtype == torch.bfloat16
    expected = attend(*inputs, attention_mask(is_padding, window))
    assert_alike(output, expected, is_padding, inputs, tolerance=0.05)


@pytest.mark.parametrize("num_frames", [1, 7, 97])
@pytest.mark.parametrize("past", [0, 2, 64])
@pytest.mark.parametrize(("size", "left"), [(1, 0), (4, 3), (32, 64), (500, 16)])
def test_chunks_are_those_of_the_dense_form(num_frames, past, size, left):
    inputs = draw(num_frames, past)
    is_padding = padding(past + num_frames)
    output = chunk_attention(*inputs, is_padding, size, left)
    first = torch.arange(num_frames)[:, None] // size * size
    key = torch.arange(-past, num_frames)
    visible = (key >= first - left) & (key < first + size)
    itself = key == torch.arange(num_frames)[:, None]
    mask = visible & ~is_padding[:, None, None] | itself
    expected = attend(*inputs, mask)
    assert_alike(output, expected, is_padding[:, past:], inputs)


class LargestTensor(TorchDispatchMode):
    """Count the elements of the largest tensor that is made."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        for each in output if isinstance(output, tuple) else [output]:
            if isinstance(each, torch.Tensor):
                self.count = max(self.count, each.numel())
        return output


@pytest.mark.parametrize(
    "run",
    [
        lambda *qkv: window_attention(*qkv, padding(qkv[0].shape[1]), (64, 64)),
        lambda *qkv: chunk_attention(*qkv, padding(qkv[0].shape[1]), 32, 64),
    ],
)
def test_memory_is_linear_in_the_frames(run):
    largest = []
    for num_frames in (2000, 4000):
        inputs = draw(num_frames, dtype=torch.float32)
        with torch.inference_mode(), LargestTensor() as counter:
            run(*inputs)
        largest.append(counter.count)
    assert largest[1] < 2.2 * largest[0]
    assert largest[0] < 2000 * 2000


@pytest.mark.parametrize("num_frames", [1, 31, 32, 33, 64, 97, 200])
def test_an_exported_graph_goes_by_blocks_at_any_length(monkeypatch, num_frames):
    q, k, v = draw(num_frames)
    is_padding = padding(num_frames)
    expected = attend(q, k, v, attention_mask(is_padding, (32, 3)))
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    output = window_attention(q, k, v, is_padding, (32, 3))
    assert_alike(output, expected, is_padding, (q, k, v))
