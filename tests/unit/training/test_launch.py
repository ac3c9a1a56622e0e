import errno
import os
import sys

import pytest
import yaml

from lact_modules.errors import InputError
from lact_modules.training.launch import launch, load_hparams

RECIPE_YAML = """
seed: 3
output_folder: !PLACEHOLDER
size: 4
layer: !new:torch.nn.Linear
    in_features: !ref <size>
    out_features: 2
decoding:
    beam_size: 0
    lm: null
"""


@pytest.fixture
def recipe_yaml(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE_YAML)
    return path


@pytest.fixture
def start(recipe_yaml, tmp_path, monkeypatch, own_logging):
    """Launch a recipe with options."""

    def run(recipe, *options):
        folder = ["--output_folder", str(tmp_path / "run")]
        command = ["train.py", str(recipe_yaml), *folder, *options]
        monkeypatch.setattr(sys, "argv", command)
        launch(recipe)

    with own_logging():
        yield run


def fault_of(path, overrides=""):
    with pytest.raises(InputError) as caught:
        load_hparams(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_keys_are_replaced_and_objects_made(recipe_yaml):
    hparams = load_hparams(recipe_yaml, "output_folder: x\nsize: 5")
    assert hparams["layer"].in_features == 5
    hparams = load_hparams(
        recipe_yaml, {"output_folder": "x", "decoding": {"beam_size": 9}}
    )
    assert hparams["decoding"] == {"beam_size": 9, "lm": None}


def test_missing_file_is_named(tmp_path):
    assert f"{tmp_path / 'no.yaml'}: no such YAML file" in fault_of(
        tmp_path / "no.yaml"
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("", "'output_folder' is a !PLACEHOLDER and must be replaced"),
        ("sise: 5", "no key 'sise'; did you mean 'size'?"),
        ("zzz: 5", "no key 'zzz'; see the file for its keys"),
        ("decoding: {beam: 5}", "no key 'beam'; did you mean 'beam_size'?"),
        ("layer: {in_featurs: 5}", "unexpected keyword argument 'in_featurs'"),
        ("size: many", "got str"),
        ("layer: !new:torch.nn.Linear {in_features", "command line: line 2: "),
        ("size: 1\nsize: 2", "command line: line 3: found duplicate key"),
    ],
)
def test_wrong_option_is_named_on_one_line(recipe_yaml, overrides, message):
    folder = "output_folder: x\n" if overrides else ""
    assert message in fault_of(recipe_yaml, folder + overrides)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1\nb: 2\n", "line 2: expected"),
        ("- 1\n- 2\n", "not a mapping of hyperparameters"),
        ("", "not a mapping of hyperparameters"),
        ("a: 1\na: 2\n", "line 2: found duplicate key"),
        ("a: !ref <b>\n", 'The reference "b" is not valid'),
        ("a: !new:torch.nn.NoSuch\n", "no such class as torch.nn.NoSuch"),
        ("a: !include:no.yaml\n", "No such file or directory"),
    ],
)
def test_broken_file_is_told_on_one_line(tmp_path, content, message):
    path = tmp_path / "broken.yaml"
    path.write_text(content)
    fault = fault_of(path)
    assert fault.startswith(f"{path}: ")
    assert message in fault


def test_recipe_gets_hyperparameters_options_and_command(start, tmp_path):
    calls = []
    start(lambda *arguments: calls.append(arguments), "--size", "6", "--device", "cpu")
    [(hparams, run_opts, command)] = calls
    assert hparams["size"] == 6
    assert run_opts["device"] == "cpu"
    assert command == sys.argv
    saved = (tmp_path / "run" / "hyperparams.yaml").read_text()
    assert "in_features: 6" in saved
    assert (tmp_path / "run" / "log.txt").exists()
    assert yaml.safe_load(saved.partition("layer:")[0])["seed"] == 3


def raise_input_error(*arguments):
    raise InputError("speech.flac: truncated")


def raise_disk_full(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "save/model.ckpt")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (raise_input_error, "speech.flac: truncated"),
        (
            raise_disk_full,
            "save/model.ckpt: no space left on the device; free some and rerun",
        ),
    ],
)
def test_faults_of_the_user_are_one_line_and_exit_code_2(
    start, capsys, recipe, message
):
    with pytest.raises(SystemExit) as stopped:
        start(recipe)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.strip() == f"train.py: {message}"


def test_wrong_option_stops_before_anything_is_written(start, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        start(raise_input_error, "--sise", "5")
    assert stopped.value.code == 2
    assert "did you mean 'size'?" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_other_faults_are_not_hidden(start):
    def divide(*arguments):
        raise ZeroDivisionError

    def read(*arguments):
        raise FileNotFoundError(errno.ENOENT, "gone")

    for recipe, fault in ((divide, ZeroDivisionError), (read, FileNotFoundError)):
        with pytest.raises(fault):
            start(recipe)
