"""``--size``: what it sets, how large that is, and what a run records of it."""

import functools
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from lact_modules.errors import InputError
from lact_modules.model_store.model_builder import build_model
from lact_modules.model_store.run.hyperparameters import read_hyperparameter
from lact_modules.publishing.model_card import model_card
from lact_modules.training.option.hparams import read_settings
from lact_modules.training.option.keys import CTC, S2S
from lact_modules.training.option.usage import show_usage

ROOT = Path(__file__).parents[2]
SIZES = ROOT / "hparams" / "size"
NAMES = ("tiny", "small", "base", "improved", "large")
KEYS = {"CTC": CTC, "transformer": S2S}
RECIPES = sorted(
    path
    for path in ROOT.glob("recipes/*/ASR/*/hparams/*.yaml")
    if "\nsizes: " in path.read_text()
)

# LaCT comes first
MIXERS = ("lact", "conformer", "conmamba", "gated_deltanet")
SYSTEMS = {
    "ctc": [f"{name}_demo" for name in (*MIXERS, "summary")],
    "ctc_attention": [f"{name}_small" for name in MIXERS],
}
ENCODERS = ("LaCT", "Conformer", "ConMamba", "Gated DeltaNet", "SummaryMixing")
FOLDERS = {"ctc": "CTC", "ctc_attention": "transformer"}
EACH = [(kind, size) for kind in SYSTEMS for size in NAMES]


def recipe_of(kind, system):
    folder = ROOT / "recipes" / "LibriSpeech" / "ASR" / FOLDERS[kind]
    return folder / "hparams" / f"{system}.yaml"


def settings_of(path, **overrides):
    keys = KEYS[path.parents[1].name]
    return read_settings(path, {"data_folder": "corpus", **overrides}, keys)


def values_of(path, **overrides):
    """Return all settings; objects by their arguments."""
    settings = settings_of(path, output_folder="run", **overrides)
    return {**YAML().load(settings.resolved), "size": None}


@functools.cache
def count_parameters(kind, system, size, folder):
    """Count without allocating, of the model as it is built for inference."""
    path = folder / f"{system}_{size}.yaml"
    path.write_text(settings_of(recipe_of(kind, system), size=size).resolved)
    with torch.device("meta"):
        model = build_model(read_hyperparameter(path, "model"))
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def count(tmp_path_factory):
    """Count the parameters of a system by kind of recipe, system and size."""
    folder = tmp_path_factory.mktemp("sizes")
    return functools.partial(count_parameters, folder=folder)


def table_of(kind):
    """Read the documented table of sizes: a mapping of cells by column for each."""
    text = (ROOT / "docs" / "small_data.md").read_text().partition("\n## Sizes\n")[2]
    tables = [table.splitlines() for table in re.findall(r"(?:\|.*\n)+", text)]
    header, _, *rows = tables[list(SYSTEMS).index(kind)]
    split = functools.partial(re.split, r"\s*\|\s*")
    columns = split(header.strip("| "))
    cells = [dict(zip(columns, split(row.strip("| ")), strict=True)) for row in rows]
    return {row["size"].strip("`"): row for row in cells}


def test_both_kinds_have_all_sizes_with_the_same_keys():
    for kind in SYSTEMS:
        files = {path.stem: path for path in (SIZES / kind).glob("*.yaml")}
        assert files.keys() == {*NAMES}
        assert len({tuple(YAML().load(path)) for path in files.values()}) == 1


@pytest.mark.parametrize(("kind", "size"), EACH)
def test_systems_of_a_size_have_as_many_parameters_as_lact(kind, size, count):
    lact, *others = [count(kind, system, size) for system in SYSTEMS[kind]]
    assert others == pytest.approx([lact] * len(others), rel=0.05)


@pytest.mark.parametrize(
    ("variant", "other"),
    [
        ("streaming", "conformer"),
        ("streaming", "gated_deltanet"),
        ("hnet", "conmamba"),
    ],
)
def test_systems_of_variants_have_as_many_parameters_as_lact(variant, other, count):
    lact = count("ctc", f"lact_{variant}_demo", "large")
    expected = pytest.approx(lact, rel=0.05)
    assert count("ctc", f"{other}_{variant}_demo", "large") == expected


@pytest.mark.parametrize("kind", SYSTEMS)
def test_sizes_grow(kind, count):
    counts = [count(kind, SYSTEMS[kind][0], size) for size in NAMES]
    assert counts == sorted(counts)
    assert all(large > 1.4 * small for small, large in pairwise(counts))


@pytest.mark.parametrize(("kind", "size"), EACH)
def test_the_documented_table_is_true(kind, size, count):
    row, values = table_of(kind)[size], YAML().load(SIZES / kind / f"{size}.yaml")
    columns = {
        "width": "d_model",
        "blocks": "num_layers",
        "feed-forward": "d_ffn",
        "decoder's blocks": "num_decoder_layers",
        "seconds a batch": "max_batch_length",
        "utterances": "max_batch_size",
        "rate": "learning_rate",
        "warm-up": "warmup_steps",
    }
    documented = {columns[name]: float(row[name]) for name in row if name in columns}
    assert documented == values
    for name, system in zip(ENCODERS, SYSTEMS[kind], strict=False):
        assert row[f"{name}, M"] == f"{count(kind, system, size) / 1e6:.1f}"


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        *((recipe_of("ctc", system), "tiny") for system in SYSTEMS["ctc"]),
        *(
            (recipe_of("ctc_attention", system), "small")
            for system in SYSTEMS["ctc_attention"]
        ),
        (recipe_of("ctc_attention", "lact_demo"), "tiny"),
    ],
    ids=str,
)
def test_a_recipes_values_are_those_of_a_size(recipe, size):
    assert values_of(recipe, size=size) == values_of(recipe)


@pytest.mark.parametrize("system", MIXERS)
def test_large_with_attention_is_the_published_recipe(system):
    small = recipe_of("ctc_attention", f"{system}_small")
    large = values_of(recipe_of("ctc_attention", f"{system}_large"))
    sized = values_of(small, size="large", num_epochs=large["num_epochs"])
    assert sized == large


def test_base_of_ctc_has_the_sizes_of_the_published_recipes():
    values = YAML().load(SIZES / "ctc" / "base.yaml")
    published = values_of(recipe_of("ctc", "lact_matched"))
    assert values == {key: published[key] for key in values}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_take_sizes_and_the_command_line_counts(path):
    values = settings_of(path, size="large", num_layers=7).values
    kind = re.search("hparams/size/(.*)", path.read_text())[1]
    sized = YAML().load(SIZES / kind / "large.yaml")
    assert {key: values[key] for key in sized} == {**sized, "num_layers": 7}
    assert values["size"] == "large"


@pytest.mark.parametrize(("size", "heads"), [("base", 4), ("large", 8)])
def test_heads_follow_the_width(size, heads):
    values = values_of(recipe_of("ctc_attention", "lact_demo"), size=size)
    decoder = values["decoder"]
    for mixer in ("self_mixer", "cross_mixer"):
        assert decoder[mixer]["num_heads"] == heads
    assert values["encoder"]["mixer"]["num_heads"] == heads


def test_a_run_records_its_size_and_continues_with_no_other(train, tmp_path):
    options = {"tiny": {"device": "cpu"}, "num_epochs": 1, "log_interval": 1}
    options |= {"test_splits": "[]", "max_batch_size": 4}
    run = train(tmp_path, size="tiny", optimizer_step_limit=2, **options)
    assert run.code == 0
    assert run.steps()[-1] == 2
    held = {"size": "tiny", "d_model": 128, "num_layers": 4, "max_batch_size": 4}
    assert held.items() <= run.result["options"].items()
    assert "- size: tiny" in model_card("me/digits", 1, 29, run.result)
    settings = tmp_path / "hyperparams.yaml"
    # what a run has written holds as it stands
    again = read_settings(settings, {}).values
    assert held.items() <= again.items()
    assert again["sizes"] is None
    narrow = tmp_path / "narrow.yaml"
    narrow.write_text("d_model: 64\nnum_layers: 1\n")
    written = settings.read_text()
    other = train(tmp_path, size=str(narrow), **options)
    assert other.code == 2
    assert len(other.error.strip().splitlines()) == 1
    assert "a checkpoint of another model" in other.error
    assert settings.read_text() == written


@pytest.mark.parametrize(
    ("size", "system", "message"),
    [
        (
            "huge",
            "lact_demo",
            "--size huge: no size of RECIPE; expected base, improved, large, small, "
            "tiny, or the path of a YAML file",
        ),
        (
            "base",
            "lact_base",
            "--size base: RECIPE has no sizes; expected the path of a YAML file",
        ),
        ("none.yaml", "lact_demo", "--size none.yaml: no such file"),
    ],
)
def test_unknown_sizes_are_refused_with_those_there_are(
    size, system, message, train, tmp_path
):
    run = train(tmp_path / "run", hparams=system, size=size)
    recipe = str(recipe_of("ctc", system))
    assert run.code == 2
    assert run.error == f"train.py: {message.replace('RECIPE', recipe)}\n"
    assert not run.folder.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_lact_heads: 2", "sets 'num_lact_heads', which RECIPE lacks; delete it"),
        ("size: base", "sets 'size', which RECIPE lacks; delete it"),
        ("d_model: wide", "--d_model wide: expected a whole number"),
        ("d_model: !ref <num_layers>", "line 1: could not determine a constructor"),
        ("d_model: [1", "line "),
        ("d_model: 1\nd_model: 2", "line 2: found duplicate key"),
        ("encoder: {num_layers: 2}", "'encoder' is a mapping; expected a plain value"),
        ("64", "expected keys of a recipe with their values"),
    ],
)
def test_faults_of_a_size_name_its_file(text, message, tmp_path):
    path, recipe = tmp_path / "mine.yaml", recipe_of("ctc", "lact_demo")
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        settings_of(recipe, size=str(path))
    expected = f"{path}: {message.replace('RECIPE', str(recipe))}"
    assert str(caught.value).startswith(expected)


def test_a_size_is_a_file_in_the_folder_or_elsewhere(tmp_path):
    for name, width in (("mine", 32), ("yours", 48)):
        (tmp_path / f"{name}.yaml").write_text(f"d_model: {width}")
    recipe = recipe_of("ctc", "conmamba_demo")
    found = settings_of(recipe, sizes=str(tmp_path), size="mine").values
    assert (found["size"], found["d_model"]) == ("mine", 32)
    found = settings_of(recipe, size=str(tmp_path / "yours.yaml")).values
    assert (found["size"], found["d_model"]) == ("yours", 48)
    found = settings_of(recipe, size=None).values
    assert (found["size"], found["d_model"]) == (None, 128)


def test_a_file_may_choose_its_size(tmp_path):
    recipe = recipe_of("ctc", "lact_demo")
    text = recipe.read_text().replace("../../../../../hparams", str(ROOT / "hparams"))
    mine = tmp_path / "CTC" / "hparams" / "mine.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text(text.replace("size: null", "size: small"))
    assert settings_of(mine).values["d_model"] == 144
    assert settings_of(mine, size="base").values["d_model"] == 256
    assert settings_of(mine, size=None).values["d_model"] == 128


def test_help_lists_sizes(capsys):
    recipe = recipe_of("ctc", "lact_demo")
    show_usage(str(recipe.parents[1] / "train.py"), str(recipe), CTC)
    shown = capsys.readouterr().out
    assert "for --size: base, improved, large, small, tiny" in shown
    assert "--size " in shown
