import json
import subprocess
import sys
from pathlib import Path

import pytest

from lact_modules.training.outcome.result import write_result
from tools.chunking_tables import EVEN_TIME, TIME, WORDS
from tools.render_results import TABLES, insert_table
from tools.run_tables import COMPARISONS, DECODINGS, METHODS, RUNS
from tools.streaming_tables import HOURS, LATENCY, MEMORY, PAUSES, PIECES, SERVING

PROJECT = Path(__file__).resolve().parents[3]
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
    command = [sys.executable, "-m", "tools.render_results", "--root", root, *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)


def test_row_for_each_split_with_interval_and_link(results):
    header, rule, test, dev = RUNS.render(results).splitlines()
    assert header.count("|") == rule.count("|") == test.count("|") == dev.count("|")
    assert "| digits | CTC | lact_demo | 1.5 M | test |" in test
    assert "2.38 [1.50, 3.25]" in test
    assert "1.75 [1.50, 3.25]" in test
    assert "[digits_ctc_lact_demo](../results/digits_ctc_lact_demo)" in test
    assert "| dev |  |  |  |" in dev


def test_hardware_is_the_gpu_if_one_was_used(results):
    path = results / "digits_ctc_lact_demo" / "result.json"
    assert " threads, " in RUNS.render(results)
    result = json.loads(path.read_text())
    result["hardware"]["gpu"] = "NVIDIA H200"
    path.write_text(json.dumps(result))
    assert "| NVIDIA H200 |" in RUNS.render(results)


def test_without_results_there_is_a_note(tmp_path):
    assert "make demo" in RUNS.render(tmp_path)


def test_decodings_of_runs_that_have_several(results, tmp_path):
    path = results / "digits_ctc_lact_demo" / "result.json"
    result = json.loads(path.read_text())
    rescored = {**SCORES, "wer": 1.25, "oracle_wer": 0.5}
    result["metrics"]["test"]["rescored"] = rescored
    result["metrics"]["other"] = {"greedy": SCORES}
    path.write_text(json.dumps(result))
    header, rule, *rows = DECODINGS.render(results).splitlines()
    assert {line.count("|") for line in (header, rule, *rows)} == {10}
    assert [row.split(" | ")[4] for row in rows] == ["greedy", "beam+lm", "rescored"]
    assert "| test | greedy | 2.38 [1.50, 3.25] |  | 0.0123 |" in rows[0]
    assert "| test | rescored | 1.25 [1.50, 3.25] | 0.50 | 0.0123 |" in rows[2]
    assert "No run was decoded" in DECODINGS.render(tmp_path)


def test_comparison_has_a_row_for_each_system_on_each_split(results):
    assert "No systems" in COMPARISONS.render(results)
    systems = [
        {"name": "lact", "parameters": 1e6, "runs": [1, 2], "steps_a_second": 1.5},
        {"name": "conformer", "parameters": 1e6, "runs": [1], "steps_a_second": 3.0},
    ]
    scores = [
        {"system": "lact", "wer": 2.0, "cer": 1.0, "seed_interval": [-0.5, 4.5]},
        {"system": "conformer", "wer": 3.0, "cer": 2.0, "seed_interval": None},
    ]
    trials = [
        {"split": split, "decoding": decoding, "scores": scores}
        for split in ("test", "other")
        for decoding in ("greedy", "beam")
    ]
    path = results / "digits_systems" / "compare.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"systems": systems, "trials": trials}))
    header, rule, *rows = COMPARISONS.render(results).splitlines()
    assert {line.count("|") for line in (header, rule, *rows)} == {9}
    assert len(rows) == 4
    assert "| test | lact | 1.00 M | 2 | 2.00 [0.00, 4.50] | 1.00 | 1.50 |" in rows[0]
    assert "| test | conformer | 1.00 M | 1 | 3.00 | 2.00 | 3.00 |" in rows[1]
    assert "[digits_systems](../results/digits_systems)" in rows[0]


def test_dynamic_chunks_are_compared_with_none_and_with_even_ones(results):
    assert "No comparison" in WORDS.render(results)
    names = ("lact", "lact_uniform", "lact_cosine")
    folder = results / "digits_chunks"
    for name, kept in zip(names, (None, 0.5, 0.48), strict=True):
        metrics = {"test": {"greedy": {"keep_ratio": kept} if kept else {}}}
        path = folder / f"{name}_1" / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"metrics": metrics}))
    trial = {
        "split": "test",
        "decoding": "greedy",
        "scores": [{"system": name, "wer": 2.0, "wers": {"1": 2.0}} for name in names],
        "differences": [
            {
                "systems": pair,
                "wer": wer,
                "interval": [wer - 1, wer + 2],
                "p_value": 0.5,
            }
            for pair, wer in (
                (["lact", "lact_cosine"], 0.5),
                (["lact_cosine", "lact_uniform"], 3.0),
            )
        ],
    }
    systems = [{"name": name, "runs": [{"folder": f"{name}_1"}]} for name in names]
    content = {"systems": systems, "trials": [trial]}
    (folder / "compare.json").write_text(json.dumps(content))
    header, rule, *rows = WORDS.render(results).splitlines()
    assert {line.count("|") for line in (header, rule, *rows)} == {8}
    assert "| test | 1 | 2.00 | 2.00 |  |  |" in rows[0]
    assert "| 0.48 | 2.00 | 2.00 | +0.50 [-0.50, +2.50], p 0.5000 |" in rows[2]
    assert rows[2].endswith("| -3.00 [-5.00, -2.00], p 0.5000 |")


def test_time_has_a_row_for_each_model_and_duration(results):
    assert "Nothing" in TIME.render(results)
    shares = {"keep_ratio": 0.5, "predicted": 0.75, "encoder": 0.8, "whole": 0.9}
    times = {"encoder_ms": 12.34, "whole_ms": 20.0}
    row = {"name": "a", "is_even": False, **shares, **times}
    parent = {**row, "name": "parent", "keep_ratio": 1.0}
    even = {**row, "name": "a, even", "is_even": True}
    rows = [parent, row, even, {**even, "keep_ratio": 0.26, "encoder": 0.65}]
    path = results / "digits_chunks" / "speed" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"batch_size": 8, "time": {"5": rows, "15": rows}}))
    _, _, *lines = TIME.render(results).splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("| 8 x 15 | 0.50 | 25 % | 20 % | 10 % | 12.3 | 20.0 |")
    _, _, *lines = EVEN_TIME.render(results).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("| [a](")
    assert lines[0].endswith("| 8 x 5 |  |  | 20 % (25 %) |  | 35 % (25 %) |")


def test_study_has_a_row_for_each_method(results):
    assert "Nothing" in METHODS.render(results)
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
    header, rule, row = METHODS.render(results).splitlines()
    assert {line.count("|") for line in (header, rule, row)} == {9}
    assert row.startswith("| [ours](../results/digits_ttt/ours) | lact | 5.00 |")
    assert "| -1.50 [-2.00, -1.00] | 0.0010 | +0.25, clean | 12 | 4 |" in row


def test_studies_of_streams(results):
    studies = {
        "latency": {
            "model": "lact",
            "decoding": "greedy",
            "latency": {
                "test": [
                    {
                        "chunk_seconds": seconds,
                        "wer": 2.0,
                        "wer_by_run": [1.5, 2.5],
                        "difference": 0.5,
                        "interval": [0.25, 0.75],
                        "p_value": 0.01,
                    }
                    for seconds in (None, 0.64)
                ]
            },
        },
        "memory": {
            "data": "speaker",
            "memory": {
                "nothing": {"wer": 4.0, "wer_by_run": [4.0], "against": {}},
                "everything": {
                    "wer": 3.0,
                    "wer_by_run": [3.0],
                    "against": {
                        "nothing": {"wer": -1, "interval": [-2, 0], "p_value": 0.05}
                    },
                },
            },
        },
        "pieces": {
            "model": "lact",
            "difference": {
                "0.64": dict.fromkeys(
                    ("1", "160", "1000", "random", "whole", "float64"), 1.25e-5
                )
            },
        },
        "long_stream": {
            "model": "lact",
            "rows": [
                {
                    "hours": hours,
                    "resident_mib": 700.0,
                    "state_kib": 99.0,
                    "cpu_rtf": 0.05,
                    "largest_norm": 1.0,
                    "wer": {"digits/test": 2.0},
                }
                for hours in (0.17, 0.34, 1.01, 1.17)
            ],
        },
        "serving": {
            "model": "lact",
            "clients": 8,
            "chunk_s": 0.64,
            "lag": {"p50_s": 0.1, "p95_s": 0.2, "max_s": 0.3},
            "cpu_s_per_audio_s": 0.08,
            "used_memory_mib": 700.2,
            "waves": [{"resident_mib": 703.0}, {"resident_mib": 704.0}],
        },
    }
    for name, study in studies.items():
        path = results / "digits_streaming" / name / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(study))

    def rows(table):
        header, _, *rows = table.render(results).splitlines()
        assert {line.count("|") for line in rows} == {header.count("|")}
        return [row.partition(" | ")[2] for row in rows]

    assert rows(LATENCY) == [
        "test | greedy | whole | 2.00 | 1.50 2.50 | +0.50 [+0.25, +0.75] | 0.0100 |",
        "test | greedy | 640 ms | 2.00 | 1.50 2.50 | +0.50 [+0.25, +0.75] | 0.0100 |",
    ]
    assert rows(MEMORY) == [
        "nothing | 4.00 | 4.00 |  |  |  |",
        "everything | 3.00 | 3.00 | -1.00 [-2.00, +0.00], p 0.0500 |  |  |",
    ]
    assert rows(PIECES) == [f"640 ms | {' | '.join(['1.3e-05'] * 6)} |"]
    assert [row[:4] for row in rows(HOURS)] == ["0.17", "1.01"]
    assert rows(SERVING) == [
        "8 | 0.64 s | 0.100 | 0.200 | 0.300 | 0.080 | 700, then 703 to 704 |"
    ]


def test_replaces_only_what_stands_between_the_markers():
    document = f"before\n{MARKERS['results/README.md']}after\n"
    for name in TABLES["results/README.md"]:
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
    readme = root / "results/README.md"
    assert readme.read_text() == MARKERS["results/README.md"]
    assert run(root).returncode == 0
    assert "| lact_demo | 1.5 M |" in readme.read_text()
    assert "| lact_demo | test | beam+lm |" in readme.read_text()
    assert run(root, "--check").returncode == 0


def test_pauses_of_a_kind_share_a_row(results):
    assert "Nothing" in PAUSES.render(results)
    kind = {"place": "before", "way": "stream"}
    rows = [
        {**kind, "pause": "none", "wer": 2.0},
        {**kind, "pause": "zeros", "seconds": 5.0, "wer": 2.25},
        {**kind, "pause": "zeros", "seconds": 0.5, "wer": 3.0},
        {**kind, "pause": "noise at -50 dB", "seconds": 5.0, "wer": 4.0},
    ]
    path = results / "digits_streaming" / "pauses" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"model": "lact", "pauses": {"test": rows}}))
    header, rule, *lines = PAUSES.render(results).splitlines()
    assert {line.count("|") for line in (header, rule, *lines)} == {7}
    first, second = (line.partition(" | ")[2] for line in lines)
    assert first == "test | stream | zeros, before | 2.00 | 5 s 2.25, 0.5 s 3.00 |"
    assert second == "test | stream | noise at -50 dB, before | 2.00 | 5 s 4.00 |"
