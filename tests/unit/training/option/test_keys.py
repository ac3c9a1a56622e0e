import inspect
import math
import re
from dataclasses import fields
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

from lact_modules.data.corpus.commonvoice import prepare_commonvoice
from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.errors import InputError
from lact_modules.inference import decoders
from lact_modules.training.option import keys
from lact_modules.training.option.defaults import (
    DEFAULTS,
    OPTIONAL,
    REQUIRED,
    SHARED,
    default_of,
)
from lact_modules.training.option.kind import nested_kinds
from lact_modules.training.option.run_options import DEPRECATED, RUN_OPTIONS
from tests.keys_taken import keys_taken

ROOT = Path(__file__).parents[4]
RECIPES = [keys.CTC, keys.S2S, keys.LANGUAGE_MODEL, keys.TOKENIZER]

# what people give by mistake, and what fuzzers do
MISTAKES = [
    *("x", "", "1", "null", -1, 0, 0.5, 10**400, 1e308, math.nan, math.inf, -math.inf),
    *(None, True, [], ["x"], [1, 2], [[]], {}, {"x": 1}, [None], [math.nan, 1], [2, 1]),
]


def nested(table):
    """Keys, and those of mappings in them."""
    for name, key in table.items():
        yield name, key.kind
        for inner, kind in (key.kind.entries or {}).items():
            yield f"{name}.{inner}", kind


EVERY = dict(pair for table in RECIPES for pair in nested(table))


def refused(name, kind):
    """Return values that a kind refuses, each with the message."""
    found = []
    for value in MISTAKES:
        try:
            kind.check(name, value)
        except InputError as error:
            found.append((value, str(error)))
    return found


@pytest.mark.parametrize("name", EVERY)
def test_mistakes_are_reported_on_one_line_with_key_value_and_what_fits(name):
    mistakes = refused(name, EVERY[name])
    assert len(mistakes) >= 4
    for _, message in mistakes:
        assert message.startswith(f"--{name}")
        assert "\n" not in message
        assert "expected " in message or "no key" in message or ": " in message


@pytest.mark.parametrize("table", RECIPES)
def test_defaults_fit(table):
    for name, key in table.items():
        if key.default is not REQUIRED and key.default is not OPTIONAL:
            key.kind.check(name, default_of(name, key))
        assert key.about


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("valid_batch_size", 0, "a whole number from 1 to 1000000"),
        ("max_batch_length", 0, "a number above 0"),
        ("learning_rate", "x", "a number of at least 0"),
        ("learning_rate", True, "a number of at least 0"),
        ("learning_rate", math.nan, "a number of at least 0"),
        ("learning_rate", math.inf, "a number of at least 0"),
        ("test_splits", None, "a list of names of splits, such as [train]"),
        ("train_splits", "train", "a list of names of splits, such as [train]"),
        ("num_epochs", -3, "a whole number from 1 to 1000000"),
        ("num_epochs", 2.0, "a whole number from 1 to 1000000"),
        ("max_batch_size", False, "a whole number from 1 to 1000000, or null"),
        ("dropout", 1.0, "a number of at least 0 and below 1"),
        ("noise_prob", 1.5, "a number from 0 to 1"),
        ("noise_snr_db", [15, 0], "the lowest and the highest, such as [0, 15]"),
        ("pause_seconds", [0, 1], "the shortest and the longest, such as [0.1, 6.0]"),
        ("codecs", ["gsm"], "a list of any of "),
        ("in_memory", 1, "true or false"),
        ("decoding.beam_size", -1, "a whole number from 0 to 10000"),
        ("preparation.max_duration", 0, "a number above 0, or .inf"),
        ("characters", 5, "text, or null"),
        ("train_manifest", [1], "text, or a list of paths, or null"),
        ("precision", "fp64", "one of fp32, fp16, bf16"),
        ("model_type", "word", "one of unigram, bpe"),
    ],
)
def test_expected_values_are_described(name, value, expected):
    with pytest.raises(InputError) as caught:
        EVERY[name].check(name, value)
    assert f": expected {expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 1),
        ("max_grad_norm", math.inf),
        ("preparation.max_duration", math.inf),
        ("max_train_duration", None),
        ("train_manifest", "a.tsv"),
        ("train_manifest", ["a.tsv", "b.tsv"]),
        ("trackers", "wandb"),
        ("trackers", []),
        ("meta_ttt", "entropy+masked_prediction"),
        ("push_to_hub", "me/digits"),
        ("unfreezing_stages", None),
        ("noise_snr_db", (0, 15)),
    ],
)
def test_what_is_right_passes(name, value):
    EVERY[name].check(name, value)


def test_names_are_checked_inside_too():
    with pytest.raises(InputError, match="did you mean 'beam_size'"):
        keys.CTC["decoding"].kind.check("decoding", {"beam_sise": 5})


def test_every_key_that_is_read_has_its_kind():
    """A new key has to describe what fits."""
    sources = "".join(
        path.read_text()
        for path in [
            *ROOT.glob("lact_modules/training/**/*.py"),
            *ROOT.glob("recipes/**/train.py"),
        ]
    )
    read = set(re.findall(r'hparams\["(\w+)"\]', sources))
    read |= set(re.findall(r"self\.hparams\.(\w+)", sources))
    read = read.union(*keys_taken().values())
    assert len(read) > 60
    assert read - keys.EVERY.keys() == set()


def test_defaults_stand_in_one_file_and_all_of_them_are_of_keys():
    shared = ROOT / "hparams" / "defaults.yaml"
    assert YAML(typ="safe").load(shared) == DEFAULTS
    assert DEFAULTS.keys() <= keys.EVERY.keys()
    # a comment above each group, and no key that a reader meets without one
    groups = re.split(r"\n\n", shared.read_text())
    assert len(groups) > 5
    assert all(group.startswith("# ") for group in groups)


@pytest.mark.parametrize("table", RECIPES)
def test_no_default_stands_in_the_code(table):
    for name, key in table.items():
        if name not in RUN_OPTIONS:
            assert any(key.default is each for each in (SHARED, REQUIRED, OPTIONAL))


def test_every_option_of_a_preparation_has_its_kind():
    for prepare in (prepare_librispeech, prepare_commonvoice):
        names = inspect.signature(prepare).parameters.keys()
        own = {"data_folder", "manifest_folder", "splits"}
        assert names - own - nested_kinds.PREPARATION.keys() == set()


def test_every_option_of_a_search_has_its_kind():
    names = inspect.signature(decoders.build_search).parameters.keys()
    names |= {*decoders._CTC_OPTIONS, *decoders._ATTENTION_OPTIONS}
    assert names - {"trained", "device", "options"} == nested_kinds.DECODING.keys()


def test_run_options_are_all_of_speechbrains():
    names = {field.name for field in fields(RunOptions)} & {
        *HELP_TEXTS,
        "jit_module_keys",
        "compile_module_keys",
    }
    assert RUN_OPTIONS.keys() | DEPRECATED.keys() == names
    others = {
        name: key.default
        for name, key in RUN_OPTIONS.items()
        if key.default != getattr(RunOptions(), name)
    }
    # all else would be compiled for each length of a batch
    assert others == {"compile_using_dynamic_shape_tracing": True}
