import json
import re

import pytest

from lact_modules.comparison.cautions import find_cautions
from lact_modules.comparison.runs import Run, group_runs


def cautions(*folders):
    return find_cautions(group_runs(map(Run.from_folder, folders)))


def test_a_fair_comparison_has_none(systems):
    assert find_cautions(systems) == []


@pytest.mark.parametrize(
    ("difference", "caution"),
    [
        ({"num_epochs": 26}, "not the same budget: num_epochs 20 / 26"),
        ({"learning_rate": 0.1}, "not the same budget: learning_rate 0.002 / 0.1"),
        ({"steps": 500}, "not the same budget: steps 400 / 500"),
        ({"beam_size": 9}, "not the same decoding: decoding.beam_size 50 / 9"),
        (
            {"parameters": 1_200_000},
            "not the same size: parameters 1,000,000 / 1,200,000",
        ),
        ({"seed": 2}, "not the same seeds: 1 / 2"),
        (
            {"long_form_finetune_seconds": 120.0, "long_form_finetune_epochs": 1},
            "not the same budget: long_form_finetune_seconds none / 120.0",
        ),
        (
            {"long_form_order": "reading"},
            "not the same budget: long_form_order random / reading",
        ),
    ],
)
def test_tells_what_is_not_the_same(make_run, difference, caution):
    assert cautions(make_run(), make_run("other", **difference)) == [caution]


def test_seeds_that_were_decoded_differently_are_reported(make_run):
    (caution,) = cautions(make_run(beam_size=50), make_run(seed=2, beam_size=9))
    assert caution == "not the same decoding: decoding.beam_size 50 / 9"


def test_joins_all_that_is_wrong_with_the_budget(make_run):
    (caution,) = cautions(make_run(), make_run("other", num_epochs=26, steps=520))
    assert caution == "not the same budget: num_epochs 20 / 26; steps 400 / 520"


@pytest.mark.parametrize(
    ("key", "value", "caution"),
    [
        (
            "hardware",
            {"cpu": "X", "threads": 2, "gpu": "H200"},
            "speeds are not comparable: hardware .* / H200",
        ),
        (
            "commit",
            {"hash": "a" * 40, "dirty": True},
            "not the same source: commit .* / aaaaaaaaaa with changes",
        ),
    ],
)
def test_tells_of_other_machines_and_sources(make_run, key, value, caution):
    folder = make_run("other")
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, key: value}))
    (found,) = cautions(make_run(), folder)
    assert re.fullmatch(caution, found)


def test_options_that_were_changed_within_a_training_are_reported(make_run):
    folders = make_run(), make_run(seed=2)
    result = json.loads((folders[1] / "result.json").read_text())
    change = {"step": 40, "learning_rate": [0.1, 0.002], "opt_class.lr": [0.1, 0.002]}
    result["changed_options"] = [change]
    (folders[1] / "result.json").write_text(json.dumps(result))
    changed, seeds = cautions(*folders)
    # such a run is no other seed of the same training
    assert seeds == "not the same seeds: 1 / 2"
    assert re.fullmatch(
        r"options changed within a training: .* has learning_rate 0.1 until step 40",
        changed,
    )
