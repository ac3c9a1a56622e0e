import io

import pytest
from hyperpyyaml import resolve_references

from lact_modules.errors import InputError
from lact_modules.model_store.run.hyperparameters import read_hyperparameter


@pytest.fixture
def write(tmp_path):
    def write_resolved(text):
        path = tmp_path / "hyperparams.yaml"
        path.write_text(resolve_references(io.StringIO(text)).getvalue())
        return path

    return write_resolved


def test_references_arithmetic_and_scalars(write):
    path = write(
        """
        size: 8
        kernel: (3, 5)
        model: !new:a.B
            twice: !ref <size> * 2
            kernel: !ref <kernel>
            quoted: "(3, 5)"
            small: 1e-4
            word: yes
            nothing: null
            layers: [!ref <size>, !new:a.C [1, 2], !name:a.D ]
        """
    )
    assert read_hyperparameter(path, "model") == {
        "class": "a.B",
        "arguments": {
            "twice": 16,
            "kernel": [3, 5],
            "quoted": "(3, 5)",
            "small": 1e-4,
            "word": "yes",
            "nothing": None,
            "layers": [
                8,
                {"class": "a.C", "arguments": [1, 2]},
                {"partial": "a.D", "arguments": {}},
            ],
        },
    }


def test_an_object_in_two_places_stays_one(write):
    path = write(
        """
        first: !new:a.First
        second: !new:a.Second
        twice: !name:a.Twice {inner: !ref <second>}
        model: !new:a.B
            x: !ref <first>
            y: [!ref <twice>, !ref <twice>]
            z: !ref <first>
        """
    )
    arguments = read_hyperparameter(path, "model")["arguments"]
    first, second = arguments["x"], arguments["y"][0]["arguments"]["inner"]
    assert (first["class"], second["class"]) == ("a.First", "a.Second")
    assert first["label"] != second["label"]
    assert arguments["y"][1]["arguments"]["inner"] == {"same": second["label"]}
    assert arguments["z"] == {"same": first["label"]}


def test_merge_keys_are_followed(tmp_path):
    path = tmp_path / "hyperparams.yaml"
    path.write_text("base: &b {x: 1, y: 2}\nmodel: !new:a.B {<<: *b, y: 3}\n")
    assert read_hyperparameter(path, "model")["arguments"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    "value",
    [
        "!apply:os.system [touch marker]",
        "!new:a.B {x: !apply:os.system [touch marker]}",
        "!module:os",
        "!ref <other>",
        "!include:other.yaml",
        "!!python/object/apply:os.system [touch marker]",
        "!!python/name:os.system",
        "!new:a.B {x: !!binary aGk=}",
        "!new:a.B {x: 2024-01-01}",
    ],
)
def test_what_could_run_or_is_unresolved_is_refused(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hyperparams.yaml").write_text(f"model: {value}\n")
    with pytest.raises(InputError, match=r"hyperparams\.yaml") as caught:
        read_hyperparameter("hyperparams.yaml", "model")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "marker").exists()


def test_other_keys_are_not_looked_at(tmp_path):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(f"x: !apply:os.system [touch {tmp_path}/marker]\nnum: 3\n")
    assert read_hyperparameter(path, "num") == 3
    assert read_hyperparameter(path, "missing", default=7) == 7
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("text", ["a: [", "just text", "- a\n- b", "[" * 500, ""])
def test_not_a_mapping(text, tmp_path):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"hyperparams\.yaml"):
        read_hyperparameter(path, "model")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="training run"):
        read_hyperparameter(tmp_path / "hyperparams.yaml", "model")
