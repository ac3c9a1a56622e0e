"""Descriptions and weights without code heads, against encoders made without them."""

from functools import partial

import pytest

from lact_modules.encoders import Encoder
from lact_modules.encoders.code_head import CodeHead
from lact_modules.layers import AttentionMixer, FeedForward
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.model_store.code_heads import without_code_heads

CODES = {"partial": "lact_modules.encoders.code_head.CodeHead", "num_codes": 3}
BLANK = {
    "dynamic_chunking": partial(DynamicChunking, router="ctc-blank"),
    "block_split": [1, 3],
}


def make_encoder(heads, **options):
    def make(head):
        return partial(CodeHead, num_codes=3) if head is CODES else head

    made = {
        block: [*map(make, several)] if isinstance(several, list) else make(several)
        for block, several in heads.items()
    }
    mixer, ffn = partial(AttentionMixer, 8, 2), partial(FeedForward, 8, 16)
    return Encoder(8, 4, mixer, ffn, heads=made, **options)


def describe(heads, **options):
    arguments = {"d_model": 8, "num_layers": 4, "heads": heads, **options}
    encoder = {"class": "lact_modules.encoders.Encoder", "arguments": arguments}
    return {"class": "CTCModel", "arguments": {"encoder": encoder}}


@pytest.mark.parametrize("options", [{}, BLANK])
@pytest.mark.parametrize(
    "heads",
    [
        {"2": CODES},
        {"2": [CODES, "ctc"], "3": ["ctc", CODES, "ctc"]},
        {"middle": [CODES, "ctc"], "4": CODES},
        {"middle": "ctc", "2": CODES},
    ],
)
def test_what_is_left_is_a_model_without_them(heads, options):
    weights = {
        f"encoder.{name}": value
        for name, value in make_encoder(heads, **options).state_dict().items()
    }
    description, kept = without_code_heads(describe(heads, **options), weights)
    left = description["arguments"]["encoder"]["arguments"]["heads"]
    expected = make_encoder(left, **options).state_dict()
    assert kept.keys() == {f"encoder.{name}" for name in expected}
    shapes = {name: kept[f"encoder.{name}"].shape for name in expected}
    assert shapes == {name: value.shape for name, value in expected.items()}


@pytest.mark.parametrize(
    ("heads", "options"),
    [
        # the router's own head is after block 1
        ({"middle": "ctc"}, BLANK),
        ({"middle": None}, BLANK),
        ({"middle": "ctc", "3": ["ctc"]}, {}),
        # left to those who build the model
        ({"9": "ctc"}, {}),
        ({"9": CODES}, {}),
        ({"2": CODES}, {"num_layers": None}),
    ],
)
def test_without_any_all_stays_as_it_is(heads, options):
    weights = {"encoder.heads.1.norm.weight": None, "encoder.norm.weight": None}
    description = describe(heads, **options)
    assert without_code_heads(description, weights) == (description, weights)
