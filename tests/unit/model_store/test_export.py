import errno
import json
import os
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from lact_modules.model_store import export
from lact_modules.model_store.export import export_model, load_export
from lact_modules.model_store.trained_model import load_run

FILES = ["config.json", "hyperparams.yaml"]
FILES += ["model.safetensors", "result.json", "vocabulary.txt"]


@pytest.fixture
def exported(trained_run, tmp_path):
    export_model(trained_run, tmp_path / "export")
    return tmp_path / "export"


def change_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def output_of(trained):
    waveform = torch.linspace(0, 100, 8000).sin()[None]
    return trained.model(waveform, torch.tensor([8000]))[0]


def test_an_export_gives_what_the_run_gives(trained_run, exported):
    assert listing(exported) == FILES
    run, loaded = load_run(trained_run), load_export(exported)
    assert loaded.vocabulary == run.vocabulary
    assert torch.equal(output_of(loaded), output_of(run))


def test_an_export_holds_the_vocabulary_of_its_run_alone(
    trained_run, run_copy, exported
):
    (run_copy / "vocabulary.txt").unlink()
    subwords = SubwordVocabulary.train(["A"], 6)
    subwords.save(run_copy / "tokenizer.model")
    export_model(run_copy, exported)
    assert "vocabulary.txt" not in listing(exported)
    assert load_export(exported).vocabulary == subwords
    export_model(trained_run, exported)
    assert listing(exported) == FILES


def test_config_describes_the_models_input(trained_run, exported):
    config = json.loads((exported / "config.json").read_text())
    assert (config["sample_rate"], config["frame_rate"]) == (16000, 25.0)
    model = load_run(trained_run).model
    assert config["parameters"] == sum(p.numel() for p in model.parameters())


def test_as_many_checkpoints_are_averaged_as_the_run_sets(trained_run):
    assert torch.equal(
        output_of(load_run(trained_run)), output_of(load_run(trained_run, 2))
    )
    assert not torch.equal(
        output_of(load_run(trained_run, 1)), output_of(load_run(trained_run, 2))
    )


def test_an_export_is_replaced_and_other_files_are_kept(trained_run, exported):
    (exported / "README.md").write_text("mine")
    before = load_file(exported / "model.safetensors")["output.weight"]
    export_model(trained_run, exported, num_checkpoints=1)
    assert listing(exported) == sorted(["README.md", *FILES])
    after = load_file(exported / "model.safetensors")["output.weight"]
    assert not torch.equal(before, after)


def test_a_folder_of_other_things_needs_force(trained_run, tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "config.json").write_text("mine")
    with pytest.raises(InputError, match="--force"):
        export_model(trained_run, folder)
    assert (folder / "config.json").read_text() == "mine"
    export_model(trained_run, folder, force=True)
    assert listing(folder) == FILES


def test_a_file_in_the_place_of_the_folder(trained_run, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        export_model(trained_run, tmp_path / "file", force=True)


def test_whoever_reads_the_folder_reads_the_weights(exported):
    modes = {path.name: path.stat().st_mode for path in exported.iterdir()}
    assert modes["model.safetensors"] == modes["config.json"]


@pytest.mark.parametrize(
    "name", ["result.json", "vocabulary.txt", "save", "save/CKPT+wer-30/model.ckpt"]
)
def test_links_out_of_a_run_are_not_followed(run_copy, tmp_path, name):
    path, elsewhere = run_copy / name, tmp_path / "private"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(InputError, match=re.escape(f"{path}: links out of")):
        export_model(run_copy, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_links_within_a_run_are_followed(run_copy, tmp_path):
    (run_copy / "result.json").rename(run_copy / "kept.json")
    (run_copy / "result.json").symlink_to("kept.json")
    link = tmp_path / "link"
    link.symlink_to(run_copy)
    export_model(link, tmp_path / "export")
    assert (tmp_path / "export" / "result.json").read_text() == '{"wer": 30.0}'


def test_nothing_is_left_when_the_disk_is_full(trained_run, tmp_path, monkeypatch):
    def fail(source, destination):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), destination)

    monkeypatch.setattr(export.shutil, "copyfile", fail)
    with pytest.raises(OSError, match="No space left"):
        export_model(trained_run, tmp_path / "out")
    assert listing(tmp_path) == []


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocabulary.txt"])
def test_a_missing_file_is_named(exported, name):
    (exported / name).unlink()
    with pytest.raises(InputError, match=f"{name}: no such"):
        load_export(exported)


def test_a_pickle_in_the_place_of_weights_is_not_read(exported):
    torch.save({"output.bias": torch.zeros(6)}, exported / "model.safetensors")
    with pytest.raises(InputError, match="not safetensors"):
        load_export(exported)


def test_weights_that_claim_more_than_the_file_holds(exported):
    claim = {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}
    header = json.dumps({"output.bias": claim}).encode()
    content = len(header).to_bytes(8, "little") + header
    (exported / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="not safetensors"):
        load_export(exported)


def test_a_config_that_claims_a_huge_model(exported):
    config = json.loads((exported / "config.json").read_text())
    config["model"]["arguments"]["num_tokens"] = 10**12
    change_config(exported, model=config["model"])
    with pytest.raises(InputError, match="num_tokens: 1000000000000"):
        load_export(exported)


def test_weights_of_another_shape(exported):
    weights = load_file(exported / "model.safetensors")
    weights["output.bias"] = torch.zeros(7)
    save_file(weights, exported / "model.safetensors")
    with pytest.raises(InputError, match=r"output\.bias.*\(7,\).*\(6,\)"):
        load_export(exported)


def test_a_vocabulary_of_another_model(exported):
    (exported / "vocabulary.txt").write_text("<blank>\n|\nA\n")
    with pytest.raises(InputError, match=r"3 tokens.*6 outputs"):
        load_export(exported)


@pytest.mark.parametrize(
    "model",
    [
        {"class": "os.system", "arguments": ["touch marker"]},
        {"class": "builtins.eval", "arguments": ["open('marker', 'w')"]},
        {"class": "lact_modules.cli.main.main", "arguments": []},
        {"class": "lact_modules.encoders.__class__", "arguments": []},
        {"class": "../../../marker", "arguments": []},
        {"class": "torch.nn.Identity", "arguments": []},
        "os.system",
        None,
    ],
)
def test_a_hostile_description_is_refused(exported, model, monkeypatch):
    monkeypatch.chdir(exported)
    change_config(exported, model=model)
    with pytest.raises(InputError) as caught:
        load_export(exported)
    assert "\n" not in str(caught.value)
    assert listing(exported) == FILES


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format_version 2; this version reads 1"),
        ({"format_version": None}, "format_version"),
        ({"sample_rate": 8000}, "sample_rate 8000"),
    ],
)
def test_a_config_of_another_kind(exported, changes, message):
    change_config(exported, **changes)
    with pytest.raises(InputError, match=message):
        load_export(exported)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[" * 100_000, '"\udc80"'])
def test_a_config_that_is_none(exported, text):
    (exported / "config.json").write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=r"config\.json"):
        load_export(exported)
