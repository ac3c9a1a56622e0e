import functools
import sys

import pytest
import torch
from torch import nn

from lact_modules.encoders import Encoder
from lact_modules.errors import InputError
from lact_modules.model_store.model_builder import (
    OTHER_CLASSES,
    build_model,
    build_trained_model,
)

NORM = {"class": "torch.nn.LayerNorm", "arguments": [2]}
FEED_FORWARD = {"partial": "lact_modules.layers.FeedForward", "arguments": [8, 16]}
ENCODER = {
    "class": "lact_modules.encoders.encoder.Encoder",
    "arguments": {
        "d_model": 8,
        "num_layers": 3,
        "mixer": {
            "partial": "lact_modules.layers.LaCTMixer",
            "arguments": {
                "d_model": 8,
                "num_heads": 2,
                "num_lact_heads": 2,
                "rule": {"class": "lact_modules.ops.UpdateRule", "arguments": {}},
            },
        },
        "ffn_out": FEED_FORWARD,
    },
}


def test_nested_classes_and_factories():
    encoder = build_model(ENCODER)
    assert isinstance(encoder, Encoder)
    mixers = [block.mixer for block in encoder.blocks]
    assert len(set(map(id, mixers))) == 3


def test_a_factory_without_arguments():
    arguments = {**ENCODER["arguments"], "ffn_out": {"partial": "torch.nn.Identity"}}
    encoder = build_model({**ENCODER, "arguments": arguments})
    assert isinstance(encoder.blocks[0].ffn_out, nn.Identity)


LAYOUTS = "lact_modules.encoders.layouts"


@pytest.mark.parametrize(
    ("layout", "found"),
    [
        ({"partial": f"{LAYOUTS}.divide"}, [True, True, True]),
        (
            {
                "partial": f"{LAYOUTS}.upper_blocks",
                "arguments": {"below": {"num_lact_heads": 0}},
            },
            [False, False, True],
        ),
    ],
)
def test_layouts_of_mixers_are_functions(layout, found):
    encoder = build_model(
        {**ENCODER, "arguments": {**ENCODER["arguments"], "layout": layout}}
    )
    assert [block.mixer.fast is not None for block in encoder.blocks] == found


def test_numbers_of_functions_are_checked():
    layout = {
        "partial": f"{LAYOUTS}.upper_blocks",
        "arguments": {"below": {}, "share": float("nan")},
    }
    with pytest.raises(InputError, match="share: nan"):
        build_model(layout)


def test_a_labelled_object_is_built_once():
    block = {
        "class": "lact_modules.encoders.EncoderBlock",
        "arguments": {
            "d_model": 8,
            "mixer": {**NORM, "label": "0"},
            "ffn_out": {"same": "0"},
        },
    }
    built = build_model(block)
    assert built.mixer is built.ffn_out


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "torch.load",
        "torch.hub.load",
        "torch.nn.Module",
        "torch.nn.functional.gelu",
        "torch.nn.modules.activation.GELU",
        "lact_modules.cli.main.main",
        "lact_modules.data.manifest.manifest.read_manifest",
        "lact_modules.layers.lact.softplus",
        "lact_modules.layers.lact.Tensor",
        "lact_modules.layers.lact.nn",
        "lact_modules.layers.Nothing",
        "lact_modules.layers.nothing.Nothing",
        "lact_modules.layers.__builtins__",
        "lact_modules.layers.FeedForward.__init__",
        "lact_modules.layers.../../os.System",
        "lact_modules.layers",
        "../layers/FeedForward",
        "FeedForward",
        "",
        None,
        7,
        ["os", "system"],
    ],
)
@pytest.mark.parametrize("kind", ["class", "partial"])
def test_other_classes_are_refused(path, kind):
    modules = set(sys.modules)
    with pytest.raises(InputError) as caught:
        build_model({"class": "torch.nn.Identity", "arguments": [{kind: path}]})
    assert "\n" not in str(caught.value)
    assert repr(path) in str(caught.value)
    assert set(sys.modules) == modules


@pytest.mark.parametrize(
    "description",
    [
        None,
        [],
        {},
        "torch.nn.Identity",
        {"partial": "torch.nn.Identity"},
        {"same": "0"},
        {"class": "torch.nn.LayerNorm", "arguments": {"no_such": 1}},
        {"class": "torch.nn.LayerNorm", "arguments": [-1]},
        {"class": "lact_modules.layers.LaCTMixer", "arguments": [7, 2, 2]},
        functools.reduce(lambda inner, _: [inner], range(100_000), 0),
    ],
)
def test_what_is_no_model_is_refused(description):
    with pytest.raises(InputError) as caught:
        build_model(description)
    assert "\n" not in str(caught.value)


def test_weights_are_loaded_for_evaluation():
    weights = {"weight": torch.tensor([1.0, 2.0]), "bias": torch.zeros(2)}
    model = build_trained_model(NORM, weights)
    assert model.weight.tolist() == [1.0, 2.0]
    assert not model.training
    assert not model.weight.requires_grad


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weight": (2,)}, "'bias' is missing"),
        ({"weight": (2,), "bias": (2,), "more": (1,)}, "'more' is not the model's"),
        ({"weight": (2,), "bias": (3,)}, r"\(3,\), the model's has \(2,\)"),
    ],
)
def test_weights_of_another_model(weights, message):
    tensors = {name: torch.zeros(shape) for name, shape in weights.items()}
    with pytest.raises(InputError, match=message):
        build_trained_model(NORM, tensors)


def test_a_huge_model_is_not_allocated():
    huge = {"class": "torch.nn.LayerNorm", "arguments": [10**14]}
    with pytest.raises(InputError, match="shape"):
        build_trained_model(huge, nn.LayerNorm(2).state_dict())


def test_of_speechbrain_its_language_model_alone_is_built():
    package = "speechbrain.lobes.models.transformer"
    arguments = {"vocab": 5, "d_model": 4, "nhead": 2, "num_encoder_layers": 1}
    lm = f"{package}.TransformerLM.TransformerLM"
    model = build_model({"class": lm, "arguments": arguments})
    assert type(model).__name__ == "TransformerLM"
    for other in (
        f"{package}.TransformerLM.TransformerInterface",
        f"{package}.TransformerASR.TransformerASR",
        "speechbrain.utils.checkpoints.Checkpointer",
    ):
        with pytest.raises(InputError, match="may not be built"):
            build_model({"class": other, "arguments": arguments})


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("num_layers", 10**9, "num_layers: 1000000000; give a whole number from 0 to"),
        ("num_layers", 2.5, "num_layers: 2.5; give a whole number"),
        ("d_model", 10**15, "d_model: 1000000000000000; give a whole number"),
        ("d_model", -8, "d_model: -8; give a whole number"),
        ("dropout", float("nan"), "dropout: nan; give a finite number"),
        ("dropout", 1.5, "dropout: 1.5; give a number from 0 to 1"),
        ("layer_drop", -0.1, "layer_drop: -0.1; give a number from 0 to 1"),
    ],
)
def test_numbers_of_no_model_are_refused_before_anything_is_built(name, value, line):
    arguments = {**ENCODER["arguments"], name: value}
    with pytest.raises(InputError, match=f"Encoder: {line}"):
        build_model({**ENCODER, "arguments": arguments})


@pytest.mark.parametrize("sizes", [[8, -16], [8, 16, float("inf")]])
def test_numbers_of_factories_are_checked_too(sizes):
    feed_forward = {**FEED_FORWARD, "arguments": sizes}
    arguments = {**ENCODER["arguments"], "ffn_out": feed_forward}
    with pytest.raises(InputError, match="FeedForward: "):
        build_model({**ENCODER, "arguments": arguments})


def test_layers_of_other_projects_are_counted_too():
    [path] = OTHER_CLASSES
    arguments = {"vocab": 5, "num_encoder_layers": 10**9}
    with pytest.raises(InputError, match="num_encoder_layers: 1000000000"):
        build_model({"class": path, "arguments": arguments})
