"""Every form of the selective scan against the recurrence, written out."""

import os
import subprocess

import pytest
import torch
from torch.nn.functional import silu, softplus

from lact_modules.ops.cpu import native
from lact_modules.ops.cpu.native_scan import has_native_scan, native_scan
from lact_modules.ops.selective_scan import (
    chunked_scan,
    resume_scan,
    selective_scan,
    sequential_scan,
)

BATCH, CHANNELS, STATE = 3, 6, 4
NUM_FRAMES = [1, 2, 7, 31, 64]


def naive_scan(u, delta, A, B, C):
    state = torch.zeros(*u.shape[:2], A.shape[1], dtype=u.dtype)
    outputs = []
    for t in range(u.shape[-1]):
        decay = torch.exp(delta[:, :, t, None] * A)
        state = (
            decay * state + delta[:, :, t, None] * B[:, None, :, t] * u[:, :, t, None]
        )
        outputs.append((C[:, None, :, t] * state).sum(-1))
    return torch.stack(outputs, dim=-1)


def naive_selective_scan(u, delta, A, B, C, D, z, delta_bias):
    delta = softplus(delta + delta_bias[:, None])
    return (naive_scan(u, delta, A, B, C) + D[:, None] * u) * silu(z)


def make_recurrence(num_frames, d_state=STATE):
    generator = torch.Generator("cpu").manual_seed(num_frames)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    delta = 0.5 * draw(BATCH, CHANNELS, num_frames).abs()
    A = -torch.arange(1.0, d_state + 1, dtype=torch.float64).repeat(CHANNELS, 1)
    B, C = draw(2, BATCH, d_state, num_frames)
    return [draw(BATCH, CHANNELS, num_frames), delta, A, B, C]


def make_model(num_frames):
    u, delta, A, B, C = make_recurrence(num_frames)
    D, delta_bias = torch.linspace(-1, 1, 2 * CHANNELS, dtype=torch.float64).chunk(2)
    return [u, delta, A, B, C, D, u.flip(0), delta_bias]


def run(function, inputs):
    """Return the output and the gradients of all inputs."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = function(*inputs)
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype, device=y.device)
    return [y.detach(), *torch.autograd.grad(y, inputs, weight.view_as(y))]


def assert_agree(function, naive, inputs, tolerance, dtype, device="cpu"):
    expected = run(naive, inputs)
    found = run(function, [x.to(device, dtype) for x in inputs])
    for position, (x, y) in enumerate(zip(found, expected, strict=True)):
        error = (x.to("cpu", y.dtype) - y).norm() / y.norm().clamp(min=1.0)
        assert error < tolerance, f"position {position}: {error:.1e}"


@pytest.fixture
def compiled():
    if not has_native_scan(torch.zeros(1), STATE):
        pytest.skip("no C++ compiler")


@pytest.fixture
def fresh_library(tmp_path, monkeypatch):
    """Forget what was compiled, and compile into an empty cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    native.load_native.cache_clear()
    yield tmp_path
    native.load_native.cache_clear()


@pytest.mark.parametrize("num_frames", NUM_FRAMES)
@pytest.mark.parametrize("form", [sequential_scan, chunked_scan])
def test_forms_are_the_recurrence(form, num_frames):
    inputs = make_recurrence(num_frames)
    assert_agree(form, naive_scan, inputs, 1e-12, torch.float64)
    assert_agree(form, naive_scan, inputs, 1e-6, torch.float32)


@pytest.mark.parametrize("d_state", [1, STATE, 16])
@pytest.mark.parametrize("num_frames", NUM_FRAMES)
def test_the_compiled_form_is_the_recurrence(num_frames, d_state, compiled):
    inputs = make_recurrence(num_frames, d_state)
    assert_agree(native_scan, naive_scan, inputs, 1e-6, torch.float32)


def test_the_compiled_form_reads_any_strides(compiled):
    inputs = [x.float() for x in make_recurrence(20)]
    strided = [x.mT.contiguous().mT for x in inputs]
    assert torch.equal(native_scan(*strided), native_scan(*inputs))


def test_threads_change_nothing(compiled):
    inputs = [x.float() for x in make_recurrence(20)]
    alone = run(native_scan, inputs)
    torch.set_num_threads(3)
    try:
        together = run(native_scan, inputs)
    finally:
        torch.set_num_threads(1)
    assert all(map(torch.equal, alone, together))


@pytest.mark.parametrize("num_frames", [1, 40])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)]
)
def test_the_whole_agrees_with_its_formula(num_frames, dtype, tolerance):
    def whole(*inputs):
        return selective_scan(*inputs, delta_softplus=True)

    assert_agree(whole, naive_selective_scan, make_model(num_frames), tolerance, dtype)


def test_gate_bias_and_softplus_are_optional():
    u, delta, A, B, C, D, _, _ = make_model(9)
    expected = naive_scan(u, delta, A, B, C) + D[:, None] * u
    torch.testing.assert_close(selective_scan(u, delta, A, B, C, D), expected)


@pytest.mark.parametrize("switch", ["0", "1"])
def test_states_stay_float32_under_autocast_and_in_bf16(switch, monkeypatch):
    monkeypatch.setenv(native.SWITCH, switch)
    u, delta, A, B, C, D, z, delta_bias = make_model(200)
    u, delta, B, C, z = (x.bfloat16() for x in (u, delta, B, C, z))
    inputs = u, delta, A.float(), B, C, D.float(), z, delta_bias.float()
    expected = naive_selective_scan(*(x.double() for x in inputs))
    with torch.autocast("cpu", torch.bfloat16):
        y = selective_scan(*inputs, delta_softplus=True)
    assert y.dtype == torch.bfloat16
    # rounded to bf16 once, at the end
    torch.testing.assert_close(y.double(), expected, rtol=2**-8, atol=1e-4)


def test_it_is_compiled_once(fresh_library, compiled, monkeypatch):
    native.load_native.cache_clear()
    (library,) = (fresh_library / "torch/lact_asr").iterdir()
    assert library.suffix == ".so"
    monkeypatch.setenv("PATH", "")
    assert has_native_scan(torch.zeros(1), STATE)


def test_a_damaged_library_is_not_loaded_but_compiled_anew(
    fresh_library, compiled, monkeypatch
):
    (library,) = (fresh_library / "torch/lact_asr").iterdir()
    whole = library.read_bytes()
    # another file, since this one is in use
    library.unlink()
    # loading it would do no harm, unlike loading half of it
    library.write_bytes(whole + b"x")
    native.load_native.cache_clear()
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", "")
    assert not has_native_scan(torch.zeros(1), STATE)
    monkeypatch.setenv("PATH", path)
    native.load_native.cache_clear()
    assert has_native_scan(torch.zeros(1), STATE)
    (library,) = (fresh_library / "torch/lact_asr").iterdir()
    assert library.read_bytes() == whole


def test_without_a_compiler_it_falls_back(fresh_library, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not has_native_scan(torch.zeros(1), STATE)
    inputs = [x.float() for x in make_model(9)]
    assert selective_scan(*inputs).isfinite().all()
    with pytest.raises(RuntimeError, match="cannot be compiled"):
        native_scan(*inputs[:5])


def test_a_failing_compiler_leaves_nothing(fresh_library, monkeypatch):
    monkeypatch.setenv("CXX", "false")
    assert not has_native_scan(torch.zeros(1), STATE)
    assert not list((fresh_library / "torch/lact_asr").iterdir())


def test_the_environment_switches_it_off(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("compiles")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setenv(native.SWITCH, "0")
    assert not has_native_scan(torch.zeros(1), 5)


class WholeScan(torch.nn.Module):
    def forward(self, *inputs):
        return selective_scan(*inputs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("capture", [torch.jit.trace, torch.export.export])
def test_exported_graphs_are_pure_torch(capture, compiled):
    inputs = tuple(x.float() for x in make_model(9))
    graph = capture(WholeScan(), inputs)
    assert "aten" in str(graph.graph)
    assert "NativeScan" not in str(graph.graph)


@pytest.mark.gpu
@pytest.mark.parametrize("num_frames", NUM_FRAMES)
def test_on_cuda_it_agrees_with_its_formula(num_frames):
    def whole(*inputs):
        return selective_scan(*inputs, delta_softplus=True)

    inputs = make_model(num_frames)
    assert_agree(whole, naive_selective_scan, inputs, 1e-5, torch.float32, "cuda")


@pytest.mark.parametrize("cuts", [[7], [1] * 7, [3, 1, 3]])
def test_scanning_piece_by_piece_is_scanning_once(cuts):
    def in_pieces(u, delta, A, B, C, D, z, delta_bias):
        state, outputs = u.new_zeros(BATCH, CHANNELS, STATE), []
        pieces = zip(*(x.split(cuts, dim=-1) for x in (u, delta, B, C, z)), strict=True)
        for u_i, delta_i, B_i, C_i, z_i in pieces:
            y, state = resume_scan(
                state, u_i, delta_i, A, B_i, C_i, D, z_i, delta_bias, True
            )
            outputs.append(y)
        return torch.cat(outputs, dim=-1)

    inputs = make_model(num_frames=7)
    assert_agree(in_pieces, naive_selective_scan, inputs, 1e-12, torch.float64)


def test_a_state_stays_float32_under_bf16():
    inputs = [x.bfloat16() for x in make_model(num_frames=3)]
    y, state = resume_scan(torch.zeros(BATCH, CHANNELS, STATE), *inputs)
    assert y.dtype == torch.bfloat16
    assert state.dtype == torch.float32
