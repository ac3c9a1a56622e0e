import copy
from functools import partial

import pytest
import torch
from torch import nn

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.layers import BiMambaMixer, ConvolutionModule, FeedForward, LaCTMixer
from lact_modules.training.muon import MuonWithAdamW, hidden_matrices
from lact_modules.training.optimizer.plan import plan_optimizer

MUON = partial(MuonWithAdamW, lr=0.01, weight_decay=0.1)


def make_model(mixer=None):
    torch.manual_seed(0)
    conv = partial(ConvolutionModule, 8, kernel_size=3)
    mixer = mixer or partial(LaCTMixer, 8, 2, 2)
    encoder = Encoder(8, 2, mixer, partial(FeedForward, 8, 16), conv=conv)
    return CTCModel(MelFrontend(8), encoder, num_tokens=5)


def learn(model, optimizer, num_steps, seed=0):
    """Take steps on gradients that are drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(num_steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


@pytest.mark.parametrize(
    ("mixer", "inner"),
    [
        (None, {"project_qkv", "project_output", "fast.project_lr"}),
        (partial(BiMambaMixer, 8), {"in_proj", "out_proj", "forwards.x_proj"}),
    ],
)
def test_matrices_of_blocks_are_hidden_and_nothing_else(mixer, inner):
    names = hidden_matrices(make_model(mixer))
    first = {name for name in names if name.startswith("encoder.blocks.0.")}
    assert {f"encoder.blocks.0.mixer.{each}.weight" for each in inner} <= first
    assert "encoder.blocks.0.conv.expand.weight" in first
    # no front end, output, convolution, fast weight, or rows of scales
    assert all(name.startswith("encoder.blocks.") for name in names)
    ends = (
        "gate",
        "up",
        "down",
        "scale",
        "offset",
        "A_log",
        "bias",
        "depthwise.weight",
    )
    assert not any(name.endswith(ends) for name in names)


def test_a_model_without_blocks_is_refused():
    with pytest.raises(InputError, match="matrices in blocks, and this model has none"):
        plan_optimizer(nn.Linear(2, 2), MUON)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.5}, "momentum 1.5: expected a number from 0"),
        ({"ns_steps": 0}, "ns_steps 0: expected a number from 1 to 99"),
        ({"ns_steps": 100}, "ns_steps 100: expected a number from 1 to 99"),
        ({"betas": [0.9]}, r"betas \[0.9\]: expected two numbers"),
    ],
)
def test_what_no_step_could_be_taken_with_is_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        plan_optimizer(make_model(), partial(MUON, **options))


def test_what_is_not_hidden_learns_as_by_adamw():
    model = make_model()
    twin = copy.deepcopy(model)
    plan = plan_optimizer(model, MUON)
    adamw = torch.optim.AdamW(twin.parameters(), 0.01, (0.9, 0.98), weight_decay=0.1)
    learn(model, plan.optimizer, 3)
    learn(twin, adamw, 3)
    hidden = {*hidden_matrices(model)}
    others = dict(twin.named_parameters())
    equal = {n for n, p in model.named_parameters() if torch.equal(p, others[n])}
    assert equal == others.keys() - hidden


def test_matrices_of_any_shape_move_as_far_as_by_adamw():
    blocks = nn.ModuleList([nn.Linear(64, 16, bias=False), nn.Linear(64, 256)])
    before = copy.deepcopy(blocks)
    model = nn.ModuleDict({"blocks": blocks})
    plan = plan_optimizer(model, partial(MUON, weight_decay=0.0))
    learn(model, plan.optimizer, 1)
    for block, old in zip(blocks, before, strict=True):
        change = (block.weight - old.weight).square().mean().sqrt()
        assert change.item() == pytest.approx(0.2 * 0.01, rel=0.25)


def test_matrices_move_as_by_pytorch():
    blocks = nn.ModuleList(nn.Linear(*shape) for shape in [(24, 8)] * 3 + [(8, 24)])
    twin, before = copy.deepcopy(blocks), copy.deepcopy(blocks)
    optimizer = plan_optimizer(nn.ModuleDict({"blocks": blocks}), MUON).optimizer
    matrices = [block.weight for block in twin]
    muon = torch.optim.Muon(matrices, 0.01, 0.1, adjust_lr_fn="match_rms_adamw")
    learn(blocks, optimizer, 3)
    learn(twin, muon, 3)
    for block, other, old in zip(blocks, twin, before, strict=True):
        moved, expected = block.weight - old.weight, other.weight - old.weight
        # PyTorch's is in bfloat16
        assert (moved - expected).norm() < 0.02 * expected.norm()


def test_rules_layer_decay_and_stages_hold_for_both():
    model = make_model()
    rules = [{"match": "encoder.blocks[1]", "lr_scale": 0.1, "weight_decay": 0}]
    stages = [
        {"epochs": [1, 1], "rates": {"output": 0.01}},
        {"epochs": [2, 2], "rates": {"*": 0.01}},
    ]
    plan = plan_optimizer(model, MUON, rules, 0.5, stages)
    plan.unfreezing.enter(1)
    output, encoder = model.output.weight.clone(), copy.deepcopy(model.encoder)
    model.output(torch.ones(1, 8)).sum().backward()
    plan.optimizer.step()
    assert not torch.equal(model.output.weight, output)
    plan.unfreezing.enter(2)
    now = dict(model.encoder.named_parameters())
    assert all(torch.equal(p, now[name]) for name, p in encoder.named_parameters())
    rates = {
        group["name"]: (group["initial_lr"], group["weight_decay"])
        for group in plan.optimizer.param_groups
        if group.get("is_hidden")
    }
    assert rates == {
        "* + encoder.blocks.0 + matrices": (0.0025, 0.1),
        "encoder.blocks[1] + * + encoder.blocks.1 + matrices": (0.0005, 0.0),
    }


def test_a_saved_state_continues_bit_for_bit(tmp_path):
    model = make_model()
    optimizer = plan_optimizer(model, MUON).optimizer
    learn(model, optimizer, 2)
    torch.save([model.state_dict(), optimizer.state_dict()], tmp_path / "saved.pt")
    learn(model, optimizer, 2, seed=1)
    twin = make_model()
    resumed = plan_optimizer(twin, MUON).optimizer
    weights, state = torch.load(tmp_path / "saved.pt", weights_only=True)
    twin.load_state_dict(weights)
    resumed.load_state_dict(state)
    learn(twin, resumed, 2, seed=1)
    expected = model.state_dict()
    assert all(torch.equal(each, expected[n]) for n, each in twin.state_dict().items())
