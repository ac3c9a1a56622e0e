import pytest

from lact_modules.errors import InputError
from lact_modules.training.parameter.module_paths import select

NAMES = [
    "frontend.project.weight",
    "frontend.norm.weight",
    *(f"encoder.blocks.{i}.mixer.weight" for i in range(12)),
    "encoder.blocks.11.norm.bias",
    "encoder.norm.weight",
]


def blocks(*numbers):
    return [f"encoder.blocks.{i}.mixer.weight" for i in numbers]


def test_a_path_means_all_below_it_and_no_path_that_begins_alike():
    assert select("encoder", NAMES, "key") == NAMES[2:]
    assert select("encoder.blocks.1", NAMES, "key") == blocks(1)
    assert select("encoder.norm", NAMES, "key") == ["encoder.norm.weight"]


@pytest.mark.parametrize(
    ("index", "numbers"),
    [
        ("0", [0]),
        ("-2", [10]),
        ("-1", [11]),
        ("9:", [9, 10, 11]),
        (":2", [0, 1]),
        ("-3:-1", [9, 10]),
        ("-20:1", [0]),
        (":", range(12)),
    ],
)
def test_an_index_picks_as_python_does(index, numbers):
    pattern = f"encoder.blocks[{index}].mixer"
    assert select(pattern, NAMES, "key") == blocks(*numbers)


def test_a_star_stands_for_any_part():
    assert select("*.bias", NAMES, "key") == ["encoder.blocks.11.norm.bias"]
    assert select("*norm*", NAMES, "key") == [
        "frontend.norm.weight",
        "encoder.blocks.11.norm.bias",
        "encoder.norm.weight",
    ]
    assert select("*", NAMES, "key") == NAMES


@pytest.mark.parametrize(
    "pattern",
    [
        *("encoder.layers", "blocks", "Encoder", ""),
        *("encoder.blocks[12]", "encoder.blocks[-13]", "encoder.blocks[5:5]"),
        *("encoder.blocks[]", "encoder[0]", "encoder.blocks[-]", "encoder.(blocks"),
    ],
)
def test_what_matches_nothing_is_named(pattern):
    with pytest.raises(InputError) as error:
        select(pattern, NAMES, "stages")
    assert str(error.value).startswith(f"stages: {pattern!r} matches no parameter")
    assert "encoder.blocks, encoder.norm" in str(error.value)
