"""Tables of what is remembered."""

import json

from tools.recall_tables import BY_MINUTE, PERMUTATION, RECALL

ROW = {
    "system": "Muon, down",
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
    # it was written before a token had several frames, or CTC trained
    cells = "8 | 28 | 128 | 1 | frames | 75.0 | 50.0 100.0 | 800 607 | 25 | 21.8 k |"
    assert row == f"| [Muon, down](../results/memory/rules) | {cells}"
    *_, row = PERMUTATION.render(tmp_path / "results").splitlines()
    assert row == "| [lact](../results/memory/speech) | 6 | 3 | 2.50 | 12.35 |"


def test_systems_by_minute_and_what_learning_makes_of_each(tmp_path):
    folder = tmp_path / "results" / "memory" / "chapters"
    folder.mkdir(parents=True)

    def system(wer, **against):
        return {
            "wer": wer,
            "wer_by_run": [wer, wer],
            "deletions": 1.5,
            "n_words": 100,
            "minutes": [{"wer": wer}, {"wer": wer + 1}],
            "rise": {"wer": 1.0, "interval": [-0.5, 2.0]},
            "against": against,
        }

    on = system(5.0, window={"wer": -2.0, "interval": [-3.0, -1.0]})
    study = {
        "data": "chapters",
        "way": "chunk",
        "by_minute": {"update on": on, "window": system(7.0)},
    }
    (folder / "result.json").write_text(json.dumps(study))
    *_, learns, window = BY_MINUTE.render(tmp_path / "results").splitlines()
    link, rise = "[chapters](../results/memory/chapters)", "+1.00 [-0.50, +2.00]"
    assert learns == (
        f"| {link} | chunk | update on | 5.00 | 5.00 5.00 | 1.50 | 5.00 6.00 | {rise} |"
        "  |"
    )
    assert window.endswith(f"| 7.00 8.00 | {rise} | -2.00 [-3.00, -1.00] |")


def test_a_table_without_measurements_has_a_note(tmp_path):
    assert RECALL.render(tmp_path) == "Nothing was measured yet."
