"""The fast branch against its specification, whatever the rule and the arithmetic."""

import pytest
import torch
from torch.nn.functional import normalize, rms_norm, silu, softplus

from lact_modules.layers import LaCTMixer
from lact_modules.ops import FastWeight, UpdateRule
from lact_modules.ops.ttt.naive import naive_ttt

RULES = [
    UpdateRule(gain=0.5),
    UpdateRule(gain=0.5, update="down"),
    UpdateRule("gradient_descent", normalization="pre", update="down"),
    UpdateRule(gain=0.5, decay=0.1, update="down", accumulate="directions"),
    UpdateRule("clipped_descent", normalization="none", update="down"),
]


def specified(memory, x, qkv, is_padding):
    """Write out what the branch does to heads, in float64."""
    values = dict(memory.named_parameters())
    heads = memory.num_heads

    def project(name):
        return x @ values[f"{name}.weight"].mT + values[f"{name}.bias"]

    q, k, v = qkv.chunk(3, dim=-1)
    affine = zip(values["qk_scale"], values["qk_offset"], strict=True)
    q, k = (
        normalize(silu(each * scale + offset).unflatten(-1, (heads, -1)), dim=-1)
        for each, (scale, offset) in zip((q, k), affine, strict=True)
    )
    y = naive_ttt(
        q,
        k,
        silu(v).unflatten(-1, (heads, -1)),
        softplus(project("project_lr")).unflatten(-1, (heads, 3)),
        FastWeight(values["gate"], values["up"], values["down"]),
        mode="bidirectional",
        rule=memory.rule,
        is_padding=is_padding,
    )
    weight = values["norm.weight"]
    y = rms_norm(y, weight.shape, weight, memory.norm.eps)
    return (y * silu(project("project_gate"))[..., None]).flatten(2)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-4), ("float64", 1e-8)])
def test_agrees_with_specification(rule, dtype, tolerance):
    torch.manual_seed(0)
    memory = LaCTMixer(24, 0, 2, hidden_ratio=1.5, rule=rule).fast.double()
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    x, qkv = torch.randn(2, 45, 24).double(), torch.randn(2, 45, 72).double()
    is_padding = torch.arange(45) >= torch.tensor([[45], [33]])
    is_valid = ~is_padding
    expected = specified(memory, x, qkv, is_padding)[is_valid]
    leaves = list(memory.parameters())
    target = torch.linspace(-1, 1, expected.numel()).double().view_as(expected)
    gradients = torch.autograd.grad((expected * target).sum(), leaves)

    single = getattr(torch, dtype)
    memory.to(single)
    found = memory(x.to(single), qkv.to(single), is_padding)[is_valid]
    leaves = list(memory.parameters())
    found_gradients = torch.autograd.grad((found * target.to(single)).sum(), leaves)
    for each, wanted in zip(
        (found, *found_gradients), (expected, *gradients), strict=True
    ):
        error = (each - wanted).norm() / max(1.0, wanted.norm())
        assert error < tolerance
