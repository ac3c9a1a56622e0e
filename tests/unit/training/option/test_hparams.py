import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.training.option.defaults import OPTIONAL, REQUIRED, Key
from lact_modules.training.option.hparams import (
    load_hparams,
    make_hparams,
    read_settings,
)
from lact_modules.training.option.keys import CTC, LANGUAGE_MODEL
from lact_modules.training.option.kind.kinds import (
    list_of,
    made,
    mapping,
    maybe,
    text,
    whole,
)
from lact_modules.training.option.training_keys import DATA, TRAINING
from lact_modules.training.option.trial import try_out

RECIPE_YAML = """
seed: 3
output_folder: !PLACEHOLDER
span: 4
mine: 2
layer: !new:torch.nn.Linear
    in_features: !ref <span>
    out_features: !ref <mine>
decoding:
    beam_size: 0
    lm: null
"""

KEYS = {
    "seed": DATA["seed"],
    "output_folder": DATA["output_folder"],
    "span": Key(whole(1), OPTIONAL, ""),
    "width": Key(whole(1), OPTIONAL, ""),
    "layer": Key(made, REQUIRED, ""),
    "shape": Key(maybe(list_of(whole(), "sizes")), None, ""),
    "decoding": Key(mapping({"beam_size": whole(0), "lm": maybe(text)}), {}, ""),
    "log_interval": TRAINING["log_interval"],
}

MODEL_YAML = """
seed: 1
output_folder: x
dataset_name: null
num_tokens: 10
max_text_tokens: 10
max_batch_tokens: 10
train_manifest: a
valid_manifest: b
learning_rate: 0.1
warmup_steps: 2
model: !new:torch.nn.Linear [2, 2]
modules: {model: !ref <model>}
opt_class: !name:torch.optim.AdamW
    lr: !ref <learning_rate>
schedule: !name:lact_modules.training.schedules.warmup_cosine
    warmup_steps: !ref <warmup_steps>
epoch_counter: !new:speechbrain.utils.epoch_loop.EpochCounter {limit: 2}
train_logger: !new:speechbrain.utils.train_logger.TrainLogger
checkpointer: !new:types.SimpleNamespace {checkpoints_dir: x}
"""


@pytest.fixture
def recipe_yaml(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE_YAML)
    return path


def fault_of(path, overrides="", keys=None):
    with pytest.raises(InputError) as caught:
        try_out(load_hparams(path, overrides, keys))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_keys_are_replaced_and_objects_made(recipe_yaml):
    hparams = load_hparams(recipe_yaml, "output_folder: x\nspan: 5")
    assert hparams["layer"].in_features == 5
    hparams = load_hparams(
        recipe_yaml, {"output_folder": "x", "decoding": {"beam_size": 9}}
    )
    assert hparams["decoding"] == {"beam_size": 9, "lm": None}


@pytest.mark.parametrize(
    ("value", "made", "arguments"),
    [
        ("!name:torch.optim.Adam {lr: !ref <learning_rate>}", "Adam", {"lr": 0.1}),
        ("!include:sgd.yaml {momentum: 0.5}", "SGD", {"lr": 0.2, "momentum": 0.5}),
        # arguments alone join those of the file
        ("{weight_decay: 0.3}", "AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    ],
)
def test_an_object_with_arguments_replaces_that_of_the_file(
    recipe_yaml, value, made, arguments
):
    recipe_yaml.write_text(MODEL_YAML)
    fragment = "!name:torch.optim.SGD\nlr: 0.2\nmomentum: 0.9\n"
    recipe_yaml.with_name("sgd.yaml").write_text(fragment)
    hparams = load_hparams(recipe_yaml, f"opt_class: {value}", LANGUAGE_MODEL)
    assert hparams["opt_class"].func is getattr(torch.optim, made)
    assert hparams["opt_class"].keywords == arguments


def test_defaults_hold_where_nothing_is_set(recipe_yaml):
    settings = read_settings(recipe_yaml, {"output_folder": "x"}, KEYS)
    assert settings.values["log_interval"] == 50
    assert make_hparams(settings)["log_interval"] == 50
    assert "log_interval: 50" in settings.resolved
    # a changed default would change this run
    settings.values["decoding"]["beam_size"] = 7
    assert read_settings(recipe_yaml, {"output_folder": "x"}, KEYS).values[
        "decoding"
    ] == {"beam_size": 0, "lm": None}


def test_a_tuple_is_a_list_of_numbers(recipe_yaml):
    recipe_yaml.write_text(RECIPE_YAML + "shape: (2, 3)\n")
    assert load_hparams(recipe_yaml, {"output_folder": "x"}, KEYS)["shape"] == (2, 3)


def test_missing_file_is_named(tmp_path):
    path = tmp_path / "no.yaml"
    assert f"{path}: no such YAML file" in fault_of(path)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("", "'output_folder' is a !PLACEHOLDER and must be replaced"),
        ("spam: 5", "no key 'spam'; did you mean 'span'?"),
        ("zzz: 5", "no key 'zzz'; see the file for its keys"),
        ("decoding: {beam: 5}", "no key 'beam'; did you mean 'beam_size'?"),
        (
            "layer: {in_featurs: 5}",
            "--layer: Linear has no argument 'in_featurs'; did you mean 'in_features'?",
        ),
        ("span: {a: 1}", "span: {'a': 1}: cannot set keys of 4; give another value"),
        ("decoding: {lm: {a: 1}}", "lm: {'a': 1}: cannot set keys of null; give"),
        ("span: many", "--layer.in_features many: expected a whole number"),
        ("layer: !new:torch.nn.Linear {in_features", "command line: line 2: "),
        ("span: 1\nspan: 2", "command line: line 3: found duplicate key"),
    ],
)
def test_wrong_override_is_named_on_one_line(recipe_yaml, overrides, message):
    folder = "output_folder: x\n" if overrides else ""
    assert message in fault_of(recipe_yaml, folder + overrides)


@pytest.mark.parametrize(
    ("meant", "key"),
    [
        ("dev_manifest", "valid_manifest"),
        ("dev_split", "dev_splits"),
        ("valid_splits", "dev_splits"),
        ("train_manifests", "train_manifest"),
        ("test_batch_size", "valid_batch_size"),
        ("num_epoch", "num_epochs"),
        ("learning_rat", "learning_rate"),
    ],
)
def test_a_suggestion_heeds_what_keys_are_for(recipe_yaml, meant, key):
    recipe_yaml.write_text(f"{RECIPE_YAML}{meant}: x\n")
    fault = fault_of(recipe_yaml, {"output_folder": "x"}, {**CTC, **KEYS})
    assert f"no key {meant!r}; did you mean {key!r}?" in fault
    recipe_yaml.write_text(RECIPE_YAML)
    given = {"output_folder": "x", meant: "x"}
    known = {key: CTC[key]._replace(default=None) for key in CTC}
    assert f"did you mean {key!r}?" in fault_of(recipe_yaml, given, {**known, **KEYS})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1\nb: 2\n", "line 2: expected"),
        ("- 1\n- 2\n", "not a mapping of hyperparameters"),
        ("", "not a mapping of hyperparameters"),
        ("a: 1\na: 2\n", "line 2: found duplicate key"),
        ("a: !ref <b>\n", 'The reference "b" is not valid'),
        ("a: !include:no.yaml\n", "No such file or directory"),
        ("a: \xff", "a:"),
    ],
)
def test_broken_file_is_reported_on_one_line(tmp_path, content, message):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content.encode("latin-1"))
    fault = fault_of(path)
    assert fault.startswith(f"{path}: ") or message == "a:"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("warmup_step: 3", "no key 'warmup_step'"),
        ("log_intervall: 3", "no key 'log_intervall'; did you mean 'log_interval'?"),
        # known, but of use only where something refers to it
        ("width: 3", "'width' has no effect: nothing refers to it"),
        ("shape: [a]", "--shape [a]: expected a list of sizes, or null"),
        ("log_interval: 2.5", "--log_interval 2.5: expected a whole number of 0 or mo"),
        ("log_interval: true", "--log_interval true: expected a whole number"),
    ],
)
def test_what_is_appended_to_a_file_is_not_ignored(recipe_yaml, line, message):
    recipe_yaml.write_text(f"{RECIPE_YAML}{line}\n")
    assert message in fault_of(recipe_yaml, {"output_folder": "x"}, KEYS)


def test_a_key_that_the_recipe_needs_is_required(recipe_yaml):
    recipe_yaml.write_text(RECIPE_YAML.replace("seed: 3", ""))
    folder = {"output_folder": "x"}
    message = fault_of(recipe_yaml, folder, KEYS)
    assert "lacks the key 'seed'; expected a whole number from 0" in message
    assert load_hparams(recipe_yaml, {**folder, "seed": 5}, KEYS)["seed"] == 5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "torch.nn.Linear [2, 2]",
            "torch.nn.NoSuch",
            "no such class as torch.nn.NoSuch",
        ),
        ("torch.nn.Linear [2, 2]", "torch.nn.Linear [2, -2]", "--model: Linear: "),
        ("<learning_rate>", "<learning_rate>\n    betas: [1.0, 2.0]", "--opt_class: "),
        ("lr: !ref", "lrr: !ref", "--opt_class: AdamW has no argument 'lrr'"),
        ("warmup_steps: !ref", "warmup: !ref", "--schedule: warmup_cosine has no"),
        ("<warmup_steps>", "<warmup_steps>\n    floor: -1.0", "--schedule: gives -"),
        ("AdamW", "SGD", ""),
        (
            "{model: !ref <model>}",
            "{modle: !ref <model>}",
            "expected a mapping with the key",
        ),
        ("train_manifest: a", "", "--train_splits []: expected a split's name, or tra"),
        ("train_manifest: a", "train_splits: [a]", "--data_folder null: expected"),
        (
            "a\n",
            "a\nunfreezing_stages: [{epochs: 1}]\n",
            "--unfreezing_stages [{epochs: 1}]: ",
        ),
        ("a\n", "a\nparameter_groups: [{match: rnn}]\n", "'rnn' matches no parameter"),
        ("EpochCounter {limit: 2}", "EpochCounter {limits: 2}", "no argument 'limits'"),
    ],
)
def test_objects_are_tried_before_data_are_prepared(tmp_path, old, new, message):
    path = tmp_path / "model.yaml"
    path.write_text(MODEL_YAML)
    try_out(load_hparams(path, {}, LANGUAGE_MODEL))
    assert old in MODEL_YAML
    path.write_text(MODEL_YAML.replace(old, new, 1))
    if message:
        assert message in fault_of(path, {}, LANGUAGE_MODEL)
    else:
        load_hparams(path, {}, LANGUAGE_MODEL)
