"""Tables of what is remembered."""

import json

from tools.recall_tables import PERMUTATION, RECALL

ROW = {
    "arm": "Muon, down",
    "pairs": 8,
    "gap": 28,
    "length": 128,
    "accuracy": 0.75,
    "accuracy_by_seed": [0.5, 1.0],
    "steps": [800, 607],
    "cpu_seconds": [30.0, 20.0],
    "parameters": 21848,
}
PLAN = {"names": 6, "gap": 3.0}


def test_a_row_for_each_mixer_and_each_run(tmp_path):
    folder = tmp_path / "results" / "memory"
    studies = {
        "rules": {"recall": [ROW]},
        "speech": {
            "plan": PLAN,
            "permutation": {"lact": {"beginning": 2.5, "behind_gap": 12.345}},
        },
        "other": {"study": "latency"},
    }
    for name, study in studies.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "result.json").write_text(json.dumps(study))
    header, _, row = RECALL.render(tmp_path / "results").splitlines()
    assert header.count("|") == row.count("|")
    told = "8 | 28 | 128 | 75.0 | 50.0 100.0 | 800 607 | 25 | 21.8 k |"
    assert row == f"| [Muon, down](../results/memory/rules) | {told}"
    *_, row = PERMUTATION.render(tmp_path / "results").splitlines()
    assert row == "| [lact](../results/memory/speech) | 6 | 3 | 2.50 | 12.35 |"


def test_nothing_measured_is_told(tmp_path):
    assert RECALL.render(tmp_path) == "Nothing was measured yet."
