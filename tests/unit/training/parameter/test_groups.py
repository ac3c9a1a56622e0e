from functools import partial

import pytest

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.layers import BiMambaMixer, FeedForward, LaCTMixer
from lact_modules.training.parameter.groups import group_parameters, read_rules
from lact_modules.training.parameter.unfreezing import read_stages


def make_model(mixer=None):
    mixer = mixer or partial(LaCTMixer, 8, 2, 2)
    encoder = Encoder(8, 3, mixer, partial(FeedForward, 8, 16))
    return CTCModel(MelFrontend(8), encoder, num_tokens=5)


def settings(model, groups):
    """What holds for each parameter, by its path."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[p]: group for group in groups for p in group.parameters}


def test_every_parameter_is_in_one_group():
    model = make_model()
    rules = read_rules([{"match": "encoder", "lr": 1e-4}, {"match": "*.bias"}])
    groups = group_parameters(model, rules, layer_decay=0.9, decay_vectors=False)
    grouped = [parameter for group in groups for parameter in group.parameters]
    assert len(grouped) == len({*grouped}) == len(list(model.parameters()))
    assert len({group.name for group in groups}) == len(groups)


def test_without_rules_all_is_one_group():
    [group] = group_parameters(make_model())
    assert group[0] == "others"
    assert group[2:] == (None, 1.0, None, [], False)


def test_last_rule_that_gives_a_setting_counts():
    model = make_model()
    rules = read_rules(
        [
            {"match": "encoder", "lr": 1e-4, "lr_scale": 0.5},
            {"match": "encoder.blocks[-1]", "lr": 3e-4},
            {"match": "*.bias", "weight_decay": 0},
        ]
    )
    found = settings(model, group_parameters(model, rules))
    bias = found["encoder.blocks.2.mixer.project_qkv.bias"]
    assert bias[2:5] == (3e-4, 0.5, 0.0)
    assert bias.name == "encoder + encoder.blocks[-1] + *.bias"
    assert found["encoder.blocks.2.mixer.project_qkv.weight"][2:5] == (3e-4, 0.5, None)
    assert found["encoder.blocks.1.mixer.project_qkv.weight"][2:5] == (1e-4, 0.5, None)
    assert found["output.weight"][2:5] == (None, 1.0, None)


def test_layers_near_the_output_learn_faster():
    model = make_model()
    found = settings(model, group_parameters(model, layer_decay=0.5))
    scales = {
        name: found[name].scale
        for name in (
            *("frontend.project.weight", "encoder.norm.weight", "output.weight"),
            *(f"encoder.blocks.{i}.mixer.project_qkv.weight" for i in range(3)),
        )
    }
    assert [*scales.values()] == [0.0625, 1.0, 1.0, 0.125, 0.25, 0.5]


def test_layer_decay_and_lr_scale_multiply_a_stages_rate():
    model = make_model()
    rules = read_rules([{"match": "encoder", "lr": 1.0, "lr_scale": 0.1}])
    stages = read_stages(
        [
            {"epochs": [1, 1], "rates": {"output": 2e-4}},
            {"epochs": [2, 2], "rates": {"*": 1e-4, "output": 3e-4}},
        ]
    )
    found = settings(model, group_parameters(model, rules, stages, layer_decay=0.5))
    assert found["output.weight"].stage_rates == [2e-4, 3e-4]
    assert found["encoder.blocks.2.norm_mixer.weight"].stage_rates == [
        None,
        pytest.approx(5e-6),
    ]


@pytest.mark.parametrize("mixer", [None, partial(BiMambaMixer, 8)])
def test_vectors_may_be_spared_from_weight_decay(mixer):
    model = make_model(mixer)
    found = settings(model, group_parameters(model, decay_vectors=False))
    spared = {name for name, group in found.items() if group.weight_decay == 0}
    kept = {name for name, group in found.items() if group.weight_decay is None}
    assert all(found[name].parameters[0].ndim > 1 for name in kept)
    assert not any(name.endswith((".bias", "norm.weight")) for name in kept)
    inner = {name.rpartition(".")[2] for name in spared} - {"bias", "weight"}
    assert inner == ({"A_log", "D"} if mixer else {"qk_scale", "qk_offset"})
    assert {"frontend.project.weight", "output.weight"} <= kept


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"lr": 1e-4}, "is not of the form"),
        ({"match": "encoder", "lr": "fast"}, "is not of the form"),
        ({"match": "encoder", "rate": 1e-4}, "unknown key 'rate'"),
        ("encoder", "is not of the form"),
    ],
)
def test_faulty_rule_is_named(entry, message):
    with pytest.raises(InputError, match=message):
        read_rules([entry])


def test_rule_for_nothing_is_named():
    rules = read_rules([{"match": "encoder.blocks[3]", "lr": 1e-4}])
    with pytest.raises(InputError, match=r"'encoder.blocks\[3\]' matches no parameter"):
        group_parameters(make_model(), rules)


def test_layer_decay_needs_layers():
    with pytest.raises(InputError, match="layer_decay"):
        group_parameters(make_model().output, layer_decay=0.9)
