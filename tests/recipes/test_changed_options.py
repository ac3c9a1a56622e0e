"""A run records what was run, whatever the options of later starts."""

import json

import pytest

from lact_modules.comparison.settings import read_settings


def options_of(run):
    options, settings = (
        run.result["options"],
        read_settings(run.folder / "hyperparams.yaml"),
    )
    return {
        "result": (options["learning_rate"], options["num_epochs"]),
        "settings": (settings["learning_rate"], settings["opt_class.lr"]),
        "changes": run.result["changed_options"],
    }


@pytest.fixture(scope="module")
def finished(train, tmp_path_factory):
    """A training that has ended; what others do to it leaves it as it was."""
    return train(tmp_path_factory.mktemp("finished"), learning_rate=0.002)


AS_TRAINED = {"result": (0.002, 1), "settings": ("0.002", "0.002"), "changes": []}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.1}, "--learning_rate 0.1: no step is left to train, and"),
        (
            {"encoder": "{num_layers: 1, dropout: 0.5}"},
            "--encoder.dropout 0.5: no step",
        ),
        ({"train_splits": "[dev]"}, "--train_splits ['dev']: no step is left"),
    ],
)
def test_other_options_are_refused_where_no_step_is_left(
    finished, train, options, message
):
    again = train(finished.folder, **{"learning_rate": 0.002, **options})
    assert again.code == 2
    [line] = again.error.splitlines()
    assert line.startswith(f"train.py: {message}")
    assert "was trained with" in line
    assert options_of(finished) == AS_TRAINED


def test_testing_keeps_what_was_trained_with(finished, train):
    again = train(
        finished.folder,
        learning_rate=0.5,
        num_epochs=7,
        encoder="{num_layers: 1, dropout: 0.5}",
        test_only=None,
        test_splits="[dev]",
        system="again",
    )
    assert again.code == 0, again.error
    assert options_of(again) == AS_TRAINED
    assert again.result["options"]["system"] == "again"
    assert again.result["metrics"].keys() == {"dev"}
    settings = read_settings(again.folder / "hyperparams.yaml")
    assert (settings["encoder.dropout"], settings["test_splits"]) == ("0.0", "[dev]")


def test_steps_with_other_options_are_reported(train, tmp_path):
    cut = train(tmp_path, learning_rate=0.002, optimizer_step_limit=3)
    assert (cut.code, cut.steps()) == (0, [1, 2, 3])
    # the rest of the epoch is still to come
    assert cut.checkpoints()[3]["epoch"] == pytest.approx(0.3)
    assert not cut.checkpoints()[3]["end-of-epoch"]
    on = train(tmp_path, learning_rate=0.1, max_batch_size=4)
    assert on.code == 0, on.error
    assert on.steps() == [1, 2, 3, *range(4, 4 + len(on.steps()) - 3)]
    [change] = on.result["changed_options"]
    assert change == {
        "step": 3,
        "learning_rate": [0.002, 0.1],
        "opt_class.lr": [0.002, 0.1],
        "max_batch_size": [2, 4],
    }
    again = train(tmp_path, learning_rate=0.1, max_batch_size=4, test_only=None)
    assert json.loads((again.folder / "result.json").read_text())[
        "changed_options"
    ] == [change]


def test_a_limit_of_steps_changes_nothing_of_the_steps(train, tmp_path):
    """Cut short within an epoch, and continued: as if never stopped."""
    options = {"sample_interval": 1, "test_splits": "[]"}
    whole = train(tmp_path / "whole", **options)
    train(tmp_path / "cut", optimizer_step_limit=3, **options)
    cut = train(tmp_path / "cut", **options)
    assert cut.steps() == whole.steps() == list(range(1, 11))
    losses = [[entry["loss"] for entry in run.metrics("train")] for run in (whole, cut)]
    assert losses[0] == losses[1]
    ends = [run.log.rpartition("train loss: ")[2].split()[0] for run in (whole, cut)]
    assert ends[0] == ends[1]
    assert cut.checkpoints()[10]["epoch"] == 1
