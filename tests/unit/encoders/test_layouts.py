"""Blocks with different mixers, as YAML selects them."""

import io

import pytest
from hyperpyyaml import load_hyperpyyaml

from lact_modules.encoders.layouts import alternate, divide, upper_blocks

YAML = """
encoder: !new:lact_modules.encoders.Encoder
    d_model: 8
    num_layers: 4
    mixer:
        - !name:lact_modules.layers.LaCTMixer
            d_model: 8
            num_heads: 2
            num_lact_heads: 0
            window: [3, 3]
        - !name:lact_modules.layers.LaCTMixer
            d_model: 8
            num_heads: 2
            num_lact_heads: 2
    ffn_out: !name:lact_modules.layers.FeedForward
        d_model: 8
        d_ffn: 16
"""
RUNS = "    layout: !name:lact_modules.encoders.layouts.divide\n"


def has_fast_weights(text, **overrides):
    encoder = load_hyperpyyaml(io.StringIO(text), {"encoder": overrides})["encoder"]
    return [block.mixer.fast is not None for block in encoder.blocks]


@pytest.mark.parametrize("num_layers", [2, 5, 12])
def test_yaml_selects_which_blocks_have_fast_weights(num_layers):
    by_turns = has_fast_weights(YAML, num_layers=num_layers)
    assert by_turns == [bool(layer % 2) for layer in range(num_layers)]
    in_runs = has_fast_weights(YAML + RUNS, num_layers=num_layers)
    assert in_runs == sorted(in_runs)
    assert sum(in_runs) == num_layers // 2


@pytest.mark.parametrize(("num_layers", "count"), [(3, 1), (7, 2), (12, 4), (18, 6)])
def test_the_last_third_of_any_number_of_blocks(num_layers, count):
    blocks = divide(["local", "local", "fast"], num_layers)
    assert blocks == ["local"] * (num_layers - count) + ["fast"] * count


@pytest.mark.parametrize("layout", [alternate, divide])
@pytest.mark.parametrize("choices", [[], ["a", "b", "c"]])
def test_mixers_that_get_no_block_are_refused(layout, choices):
    with pytest.raises(ValueError, match=f"mixer: {len(choices)} for 2 blocks"):
        layout(choices, 2)


UPPER = """
    layout: !name:lact_modules.encoders.layouts.upper_blocks
        below:
            num_lact_heads: 0
"""


@pytest.mark.parametrize(("num_layers", "count"), [(1, 1), (4, 1), (5, 2), (12, 4)])
def test_upper_blocks_alone_have_fast_weights(num_layers, count):
    mixer = YAML[YAML.index("        - !name", YAML.index("num_lact_heads: 0")) :]
    one = YAML[: YAML.index("        -")] + mixer
    one = one.replace("    mixer:\n        - !name:", "    mixer: !name:")
    found = has_fast_weights(one + UPPER, num_layers=num_layers)
    assert found == [False] * (num_layers - count) + [True] * count
    # keys of the one mixer, and the share, may be changed from outside
    assert (
        has_fast_weights(
            one + UPPER,
            num_layers=num_layers,
            mixer={"window": [1, 1]},
            layout={"share": 1.0},
        )
        == [True] * num_layers
    )


@pytest.mark.parametrize("share", [0, -1, 1.1])
def test_no_such_share_is_refused(share):
    with pytest.raises(ValueError, match=f"share={share}"):
        upper_blocks([dict], 4, {}, share)
    with pytest.raises(ValueError, match=r"mixer: 2, .* takes one"):
        upper_blocks([dict, dict], 4, {})
    with pytest.raises(ValueError, match="below: 'none': expected arguments by name"):
        upper_blocks([dict], 4, "none")


def test_a_layout_by_its_name_alone_is_refused():
    with pytest.raises(ValueError, match=r"layout='divide': expected a function, such"):
        has_fast_weights(YAML, layout="divide")
