import pytest

from lact_modules.comparison.settings import differing, read_settings
from lact_modules.errors import InputError


def test_seed_and_folders_do_not_count(make_run):
    first, second = (read_settings(make_run(seed=s) / "hyperparams.yaml") for s in "12")
    assert first == second
    assert first["decoding.lm"] == "lm.arpa"


def test_objects_are_named_by_class_and_listed_once(make_run):
    settings = read_settings(make_run() / "hyperparams.yaml")
    assert settings["encoder.mixer"] == "!name:lact_modules.layers.LaCTMixer"
    assert settings["encoder.mixer.num_heads"] == "4"
    assert settings["train_splits"] == "[train]"
    assert not [key for key in settings if key.startswith("model.encoder")]


def test_lists_of_objects_are_distinguished(tmp_path):
    path = tmp_path / "hyperparams.yaml"
    path.write_text("steps:\n- !new:a.B\n  size: 1\n- !new:a.B\n  size: 2\n")
    assert read_settings(path) == {
        "steps.0": "!new:a.B",
        "steps.0.size": "1",
        "steps.1": "!new:a.B",
        "steps.1.size": "2",
    }


def test_empty_keys_are_as_good_as_missing(tmp_path):
    path = tmp_path / "hyperparams.yaml"
    path.write_text("lm:\nlexicon: null\nsize: 1\n")
    assert read_settings(path) == {"size": "1"}


def test_nothing_in_the_file_is_run(tmp_path):
    path, victim = tmp_path / "hyperparams.yaml", tmp_path / "victim"
    path.write_text(f"a: !apply:os.mkdir [{victim}]\n")
    read_settings(path)
    assert not victim.exists()


@pytest.mark.parametrize("text", [None, "a: [1\n", "- 1\n", "\xff"])
def test_names_what_cannot_be_read(tmp_path, text):
    path = tmp_path / "hyperparams.yaml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"hyperparams\.yaml"):
        read_settings(path)


def test_keeps_only_what_differs():
    settings = {"a": {"x": "1", "y": "2"}, "b": {"x": "1", "y": "3", "z": "4"}}
    assert differing(settings) == {
        "y": {"a": "2", "b": "3"},
        "z": {"a": "", "b": "4"},
    }
