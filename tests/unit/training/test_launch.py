import errno
import os
import sys

import pytest
import torch
import yaml
from hyperpyyaml import load_hyperpyyaml
from speechbrain.core import Brain
from speechbrain.utils import logger

from lact_modules.comparison.settings import differing, read_settings
from lact_modules.errors import InputError
from lact_modules.model_store.run.hyperparameters import read_hyperparameter
from lact_modules.training.launch import launch
from lact_modules.training.option.defaults import OPTIONAL, Key
from lact_modules.training.option.kind.kinds import (
    made,
    mapping,
    maybe,
    text,
    texts,
    whole,
)
from lact_modules.training.option.run_options import RUN_OPTIONS
from lact_modules.training.option.training_keys import DATA

RECIPE_YAML = """
seed: 3
output_folder: !ref results/<seed>
save_folder: !ref <output_folder>/save
# how many numbers come in
size: 4
max_grad_norm: 1.0
layer: !new:torch.nn.Linear
    in_features: !ref <size>
    out_features: 2
places: [!ref <save_folder>]
modules:
    model: !ref <layer>
decoding:
    beam_size: 0
    lm: null
"""

KEYS = {
    **RUN_OPTIONS,
    **{
        name: DATA[name]
        for name in ("seed", "output_folder", "system", "train_manifest")
    },
    "save_folder": Key(text, OPTIONAL, ""),
    "size": Key(whole(1), OPTIONAL, ""),
    "layer": Key(made, None, "what is trained"),
    "places": Key(texts, [], ""),
    "modules": Key(mapping({"model": made}), {}, "parts of a model"),
    "decoding": Key(mapping({"beam_size": whole(0), "lm": maybe(text)}), {}, "search"),
}


@pytest.fixture
def recipe_yaml(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE_YAML)
    return path


@pytest.fixture
def start(recipe_yaml, tmp_path, monkeypatch, own_logging):
    """Launch a recipe with options."""
    # lists all packages, which takes a second
    monkeypatch.setattr(logger, "get_environment_description", str)

    def run(recipe, *options, folder=None):
        words = ["--output_folder", str(folder or tmp_path / "run"), *options]
        monkeypatch.setattr(sys, "argv", ["train.py", str(recipe_yaml), *words])
        launch(recipe, KEYS)

    with own_logging():
        yield run


@pytest.fixture
def fault_of(start, capsys, tmp_path):
    """Launch with wrong options, and return the error line."""

    def run(*options):
        with pytest.raises(SystemExit) as stopped:
            start(pytest.fail, *options)
        assert stopped.value.code == 2
        printed = capsys.readouterr()
        assert not (tmp_path / "run").exists()
        [line] = printed.err.splitlines()
        return line

    return run


def settings_in(folder):
    text = (folder / "hyperparams.yaml").read_text()
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", lambda *_: "an object")
    return yaml.load(text, loader)


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
    assert settings_in(tmp_path / "run")["seed"] == 3


def test_run_options_are_recorded_with_what_holds(start, tmp_path):
    """Of the command line, of the file, and of nobody."""
    calls = []
    words = ("--precision", "bf16", "--grad_accumulation_factor=2", "--noprogressbar")
    start(lambda *arguments: calls.append(arguments), *words)
    [(hparams, run_opts, _)] = calls
    saved = settings_in(tmp_path / "run")
    assert saved.keys() >= RUN_OPTIONS.keys()
    expected = {
        "precision": "bf16",
        "grad_accumulation_factor": 2,
        "noprogressbar": True,
        "max_grad_norm": 1.0,
        "nonfinite_patience": 3,
    }
    assert {key: saved[key] for key in expected} == expected
    assert saved["device"].startswith(("cpu", "cuda"))
    # SpeechBrain takes the first ones before those of the file
    given = {"precision", "grad_accumulation_factor", "noprogressbar"}
    assert run_opts.overridden_args == given
    assert run_opts.precision == "bf16"
    assert hparams["max_grad_norm"] == 1.0
    assert "nonfinite_patience" not in hparams


def test_a_comparison_sees_what_the_command_line_changed(start, tmp_path):
    words = {
        "first": ["--precision", "fp32", "--noprogressbar"],
        "second": ["--precision=bf16", "--max_grad_norm", "0.01", "--test_only"],
    }
    for name in words:
        start(lambda *_: None, *words[name], folder=tmp_path / name)
    settings = {
        name: read_settings(tmp_path / name / "hyperparams.yaml") for name in words
    }
    assert differing(settings) == {
        "max_grad_norm": {"first": "1.0", "second": "0.01"},
        "precision": {"first": "fp32", "second": "bf16"},
    }


@pytest.mark.parametrize(
    "name",
    [
        *("exp #2", "a: b", "[1", "[1, 2]", "lang=de", "{a}", "(x)", "1e3", "007"),
        *("null-ish", "it's", 'say "so"', "a,b", "ünï", "50%", "- a", "& b", "yes"),
        *("back\\slash", "tab\there", " led", "2026-11-29", "x" * 120, "!important"),
    ],
)
def test_text_is_taken_as_it_stands(start, tmp_path, name):
    calls = []
    folder = tmp_path / "runs" / name
    start(lambda *given: calls.append(given), "--system", name, folder=folder)
    [(hparams, _, _)] = calls
    assert hparams["system"] == name
    assert hparams["places"] == [f"{folder}/save"]
    assert os.listdir(tmp_path / "runs") == [name]
    saved = settings_in(folder)
    assert (saved["system"], saved["output_folder"]) == (name, str(folder))


def test_a_default_that_is_not_speechbrains_reaches_the_brain(start):
    calls = []
    start(lambda *given: calls.append(given), "--compile")
    [(hparams, run_opts, _)] = calls
    brain = Brain(hparams=hparams, run_opts=run_opts)
    assert brain.compile_using_dynamic_shape_tracing
    assert not hasattr(brain.hparams, "compile_mode")


def test_a_list_of_paths_is_one(start):
    calls = []
    start(lambda *given: calls.append(given), "--train_manifest", "[a.tsv, b c.tsv]")
    assert calls[0][0]["train_manifest"] == ["a.tsv", "b c.tsv"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sise", "5"], "no key 'sise'; did you mean 'size'?"),
        (["--test", "1"], "no key 'test'; did you mean 'test_only'?"),
        (["--data", "x"], "no key 'data'"),
        (["--auto_mix_prec"], "--auto_mix_prec: was removed; use --precision fp16"),
        (["--size", "0"], "--size 0: expected a whole number of 1 or more"),
        (["--size", "8 #2"], "--size 8 #2: YAML takes #2 for a comment"),
        (["--size", "[1"], "--size [1: is not YAML"),
        (["--size"], "--size: has no value; expected a whole number"),
        (["--size=3", "--size", "3"], "--size: is given twice"),
        (
            ["--layer", "{in_featurs: 3}"],
            "--layer: Linear has no argument 'in_featurs'",
        ),
        (["--layer", "{in_features: x}"], "--layer.in_features x: expected a whole nu"),
        (["--layer", "{out_features: -3}"], "--layer: Linear: "),
        (["--decoding", "{beam: 5}"], "no key 'beam'; did you mean 'beam_size'?"),
        (["--decoding", "{beam_size: 5.5}"], "--decoding.beam_size 5.5: expected a wh"),
        (["--system", "a <size>"], "<size> would be taken for a reference"),
        (["--system", ""], "--system '': expected text, or null"),
        (["--system", "caf\udce9"], "is not UTF-8"),
        (["--noprogressbar", "maybe"], "--noprogressbar maybe: expected true or false"),
        (["--noprogressbar=maybe"], "--noprogressbar maybe: expected true or false"),
        (["--device", "gpu"], "--device gpu: expected cpu, cuda, or cuda:N"),
        (["--device", "cuda:99"], "--device cuda:99: PyTorch finds no such device"),
        (["--device", "cpu", "--precision", "fp16"], "--precision fp16: needs a GPU"),
        (["--precision", "fp8"], "--precision fp8: expected one of fp32, fp16, bf16"),
        (["--max_grad_norm=-1"], "--max_grad_norm -1: expected a number above 0, or ."),
        (["--debug", "--test_only"], "--debug"),
        (["--jit"], "--jit: TorchScript cannot compile these models; use --compile"),
        (["--jit_module_keys", "model"], "--jit_module_keys: TorchScript"),
        (
            ["--compile", "--data_parallel_backend"],
            "--data_parallel_backend: not with --compile; use torchrun",
        ),
        (
            ["--compile_module_keys", "[model]"],
            "--compile_module_keys: needs --compile",
        ),
        (
            ["--compile", "--compile_module_keys", "[frontend]"],
            "--compile_module_keys frontend: no such module; expected model",
        ),
        (["another.yaml"], "'another.yaml': no option"),
    ],
)
def test_wrong_option_is_one_line_and_nothing_is_written(fault_of, options, message):
    assert message in fault_of(*options)


@pytest.mark.parametrize("folder", ["{tmp}/file", "{tmp}/file/below", "/proc/run"])
def test_an_output_folder_that_cannot_be_made_is_named(start, capsys, tmp_path, folder):
    (tmp_path / "file").write_text("")
    folder = folder.format(tmp=tmp_path)
    with pytest.raises(SystemExit) as stopped:
        start(pytest.fail, folder=folder)
    assert stopped.value.code == 2
    assert f"--output_folder {folder}: " in capsys.readouterr().err


def test_a_yaml_file_is_required(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", "--seed", "3"])
    with pytest.raises(SystemExit) as stopped:
        launch(pytest.fail, KEYS)
    assert stopped.value.code == 2
    assert "no YAML file; expected one of hparams/" in capsys.readouterr().err


def test_torchrun_without_gpus_needs_gloo(fault_of, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert "--distributed_backend nccl: needs a GPU for each process" in fault_of()


def test_debugging_leaves_nothing(start, tmp_path):
    seen = {}

    def recipe(hparams, run_opts, command):
        folder = hparams["output_folder"]
        seen.update(folder=folder, saves=hparams["places"], files=os.listdir(folder))
        seen["keeps"] = run_opts.debug_persistently

    start(recipe, "--debug")
    assert not (tmp_path / "run").exists()
    assert not os.path.exists(seen["folder"])
    assert seen["saves"] == [f"{seen['folder']}/save"]
    assert "hyperparams.yaml" in seen["files"]
    # else each process would look for checkpoints in a folder of its own
    assert seen["keeps"]


def test_debugging_uses_what_was_prepared(start, tmp_path):
    manifests = tmp_path / "run" / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "train.jsonl").write_text("{}")
    found = []
    start(
        lambda hparams, *_: found.extend(os.walk(hparams["output_folder"])), "--debug"
    )
    assert any("train.jsonl" in files for _, _, files in found)
    assert os.listdir(tmp_path / "run") == ["manifests"]


def test_persistent_debugging_writes_to_the_folder(start, tmp_path):
    start(lambda *_: None, "--debug", "--debug_persistently")
    assert settings_in(tmp_path / "run")["debug"] is True


def test_help_shows_keys_values_and_what_fits(start, capsys, tmp_path):
    start(pytest.fail, "--help")
    usage = " ".join(capsys.readouterr().out.split())
    assert "--size" in usage
    assert "how many numbers come in; a whole number of 1 or more" in usage
    assert "name of the run in lact-asr compare; text, or null" in usage
    assert "--max_grad_norm 1.0" in usage
    assert "--log_config null" in usage
    assert not (tmp_path / "run").exists()


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


def test_other_faults_are_not_hidden(start):
    def divide(*arguments):
        raise ZeroDivisionError

    def read(*arguments):
        raise FileNotFoundError(errno.ENOENT, "gone")

    for recipe, fault in ((divide, ZeroDivisionError), (read, FileNotFoundError)):
        with pytest.raises(fault):
            start(recipe)


def test_settings_that_are_cut_are_not_read(start, tmp_path):
    """YAML that ends too early is YAML still, and of another model."""
    start(lambda *_: None, "--size", "6")
    path = tmp_path / "run" / "hyperparams.yaml"
    lines = path.read_text().splitlines(keepends=True)
    assert load_hyperpyyaml("".join(lines))["size"] == 6
    assert read_hyperparameter(path, "size") == 6
    # but for the line with its end, and with a line behind the end
    for cut in (*range(1, len(lines)), len(lines) + 1):
        path.write_text("".join([*lines, "more: 1\n"][:cut]))
        for read in (read_settings, lambda path: read_hyperparameter(path, "size")):
            with pytest.raises(InputError, match="not whole"):
                read(path)
