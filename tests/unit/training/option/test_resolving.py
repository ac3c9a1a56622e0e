import pytest
import yaml
from ruamel.yaml import YAML

from lact_modules.training.option.resolving import resolve

RECIPE = """
width: 4
encoder: !include:encoder.yaml
    width: !ref <width>
"""
ENCODER = """
!new:Encoder
width: 2
mixer: !name:LaCT
    width: !ref <width>
    heads: 2
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "encoder.yaml").write_text(ENCODER)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path / "recipe.yaml"


def made(text):
    """Read YAML, objects as their tags and arguments."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor(
        "!",
        lambda loader, tag, node: (tag, loader.construct_mapping(node, deep=True)),
    )
    return yaml.load(text, Loader)


def resolved(recipe, overrides):
    return made(resolve(recipe, recipe.read_text(), YAML().load(overrides)))["encoder"]


@pytest.mark.parametrize(
    ("given", "mixer"),
    [
        ("!name:Mamba {size: !ref <width>}", ("name:Mamba", {"size": 4})),
        ("!name:Mamba {}", ("name:Mamba", {})),
        ("!name:LaCT {width: 3}", ("name:LaCT", {"width": 3})),
        # arguments alone join those of the file
        ("{heads: 1}", ("name:LaCT", {"width": 4, "heads": 1})),
    ],
)
def test_an_object_replaces_that_of_an_included_file(recipe, given, mixer):
    found = resolved(recipe, f"encoder: {{mixer: {given}}}")
    assert found == ("new:Encoder", {"width": 4, "mixer": mixer})


def test_recipes_replace_objects_of_files_that_they_include(recipe):
    recipe.write_text(f"{RECIPE}    mixer: !name:Mamba\n        size: 1\n")
    assert resolved(recipe, "{}")[1]["mixer"] == ("name:Mamba", {"size": 1})


@pytest.mark.parametrize("where", ["overrides", "file"])
def test_objects_in_lists_keep_their_only_argument(recipe, where):
    heads = "{1: [!name:Codes {num_codes: 5}, ctc]}"
    if where == "file":
        recipe.write_text(f"{RECIPE}    heads: {heads}\n")
        found = resolved(recipe, "{}")
    else:
        found = resolved(recipe, f"encoder: {{heads: {heads}}}")
    assert found[1]["heads"] == {1: [("name:Codes", {"num_codes": 5}), "ctc"]}


COMMENTED = """
parts:
  # the first
  - !name:a
    # how large
    size: 1
    depth: 2
  - !name:b {size: 3}  # the last
"""


def test_comments_between_objects_of_a_list_change_nothing(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(COMMENTED)
    assert made(resolve(path, COMMENTED, {}))["parts"] == [
        ("name:a", {"size": 1, "depth": 2}),
        ("name:b", {"size": 3}),
    ]
