import json
import subprocess
import sys
from pathlib import Path

import pytest

from lact_modules.training.result import write_result
from tools.render_results import (
    TABLES,
    insert_table,
    render_comparisons,
    render_decodings,
    render_methods,
    render_table,
)

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "render_results.py"
MARKERS = {
    document: "".join(
        f"<!-- {name}:begin -->\n<!-- {name}:end -->\n" for name in tables
    )
    for document, tables in TABLES.items()
}
SCORES = {"wer": 2.375, "wer_interval": [1.5, 3.25], "cer": 1.0, "rtf": 0.0123}


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    write_result(
        folder / "digits_ctc_lact_demo" / "result.json",
        {"test": {"greedy": SCORES, "beam+lm": {**SCORES, "wer": 1.75}}, "dev": {}},
        recipe="LibriSpeech/ASR/CTC",
        model="lact_demo",
        dataset="digits",
        parameters=1_540_000,
        seed=1,
        command=["train.py", "hparams/lact_demo.yaml"],
    )
    return folder


def run(root, *options):
    command = [sys.executable, SCRIPT, "--root", root]
    return subprocess.run([*command, *options], capture_output=True, text=True)


def test_row_for_each_split_with_interval_and_link(results):
    header, rule, test, dev = render_table(results).splitlines()
    assert header.count("|") == rule.count("|") == test.count("|") == dev.count("|")
    assert "| digits | CTC | lact_demo | 1.5 M | test |" in test
    assert "2.38 [1.50, 3.25]" in test
    assert "1.75 [1.50, 3.25]" in test
    assert "[digits_ctc_lact_demo](results/digits_ctc_lact_demo)" in test
    assert "| dev |  |  |  |" in dev


def test_hardware_is_the_gpu_if_one_was_used(results):
    path = results / "digits_ctc_lact_demo" / "result.json"
    assert " threads, " in render_table(results)
    result = json.loads(path.read_text())
    result["hardware"]["gpu"] = "NVIDIA H200"
    path.write_text(json.dumps(result))
    assert "| NVIDIA H200 |" in render_table(results)


def test_without_results_says_so(tmp_path):
    assert "make demo" in render_table(tmp_path)


def test_decodings_of_runs_that_have_several(results, tmp_path):
    path = results / "digits_ctc_lact_demo" / "result.json"
    result = json.loads(path.read_text())
    rescored = {**SCORES, "wer": 1.25, "oracle_wer": 0.5}
    result["metrics"]["test"]["rescored"] = rescored
    result["metrics"]["other"] = {"greedy": SCORES}
    path.write_text(json.dumps(result))
    header, rule, *rows = render_decodings(results).splitlines()
    assert {line.count("|") for line in (header, rule, *rows)} == {10}
    assert [row.split(" | ")[4] for row in rows] == ["greedy", "beam+lm", "rescored"]
    assert "| test | greedy | 2.38 [1.50, 3.25] |  | 0.0123 |" in rows[0]
    assert "| test | rescored | 1.25 [1.50, 3.25] | 0.50 | 0.0123 |" in rows[2]
    assert "No run was decoded" in render_decodings(tmp_path)


def test_comparison_has_a_row_for_each_arm_on_each_split(results):
    assert "No arms" in render_comparisons(results)
    arms = [
        {"name": "lact", "parameters": 1e6, "runs": [1, 2], "steps_a_second": 1.5},
        {"name": "conformer", "parameters": 1e6, "runs": [1], "steps_a_second": 3.0},
    ]
    scores = [
        {"arm": "lact", "wer": 2.0, "cer": 1.0, "seed_interval": [-0.5, 4.5]},
        {"arm": "conformer", "wer": 3.0, "cer": 2.0, "seed_interval": None},
    ]
    trials = [
        {"split": split, "decoding": decoding, "scores": scores}
        for split in ("test", "other")
        for decoding in ("greedy", "beam")
    ]
    path = results / "digits_arms" / "compare.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"arms": arms, "trials": trials}))
    header, rule, *rows = render_comparisons(results).splitlines()
    assert {line.count("|") for line in (header, rule, *rows)} == {9}
    assert len(rows) == 4
    assert "| test | lact | 1.00 M | 2 | 2.00 [0.00, 4.50] | 1.00 | 1.50 |" in rows[0]
    assert "| test | conformer | 1.00 M | 1 | 3.00 | 2.00 | 3.00 |" in rows[1]
    assert "[digits_arms](results/digits_arms)" in rows[0]


def test_study_has_a_row_for_each_method(results):
    assert "Nothing" in render_methods(results)
    method = {
        "wer": 5.0,
        "difference": -1.5,
        "interval": [-2, -1],
        "p_value": 0.001,
        "worst": "clean",
        "worst_rise": 0.25,
        "wall_s": 12.3,
        "kept_unadapted": 4,
    }
    path = results / "digits_ttt" / "ours" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"study": "ours", "methods": {"lact": method}}))
    header, rule, row = render_methods(results).splitlines()
    assert {line.count("|") for line in (header, rule, row)} == {9}
    assert row.startswith("| [ours](../results/digits_ttt/ours) | lact | 5.00 |")
    assert "| -1.50 [-2.00, -1.00] | 0.0010 | +0.25, clean | 12 | 4 |" in row


def test_replaces_only_what_stands_between_the_markers():
    document = f"before\n{MARKERS['README.md']}after\n"
    for name in TABLES["README.md"]:
        empty = f"<!-- {name}:begin -->\n"
        assert insert_table(document, name, "new") == document.replace(
            empty, f"{empty}new\n"
        )
    with pytest.raises(ValueError, match="wants"):
        insert_table("no markers", "results", "new")


def test_check_fails_until_the_documents_are_rendered(results):
    root = results.parent
    (root / "docs").mkdir()
    (root / "README.md").touch()
    assert run(root).stderr.startswith(f"{root / 'README.md'}: wants")
    for name, markers in MARKERS.items():
        (root / name).write_text(markers)
    stale = run(root, "--check")
    assert stale.returncode == 1
    assert "make results" in stale.stderr
    readme = root / "README.md"
    assert readme.read_text() == MARKERS["README.md"]
    assert run(root).returncode == 0
    assert "| lact_demo | 1.5 M |" in readme.read_text()
    assert "| lact_demo | test | beam+lm |" in readme.read_text()
    assert run(root, "--check").returncode == 0
