import json

from tools.summary_table import SUMMARY

SPLITS = ("test", "test-unseen-speaker")
DEMOS = ("lact_demo", "conformer_demo", "conmamba_demo")


def write(folder, name, result):
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(json.dumps(result))


def write_comparison(folder, day, rates, names=DEMOS):
    scores = [
        {"system": name, "wer": wer} for name, wer in zip(names, rates, strict=True)
    ]
    trials = [
        {"split": split, "decoding": "greedy", "scores": scores} for split in SPLITS
    ]
    systems = [{"name": name} for name in names]
    comparison = {"systems": systems, "trials": trials}
    write(folder, f"digits_ctc_comparison_cpu_{day}/compare.json", comparison)


def write_costs(folder, threads, times):
    costs = [
        {"system": system, "seconds": seconds, "batch": 1, "pass": "forward"}
        | {"times_s": [scale * time / 2, scale * time, 99.0], "memory_mib": 10 * time}
        for system, time in zip(
            ("lact_conformer", "conformer", "conmamba"), times, strict=True
        )
        for seconds, scale in ((60, 0.1), (960, 1.0))
    ]
    study = {"group": "cost", "study": "encoders", "hardware": {"threads": threads}}
    name = f"noise_cost_cpu_2026-01-01/threads_{threads}/result.json"
    write(folder, name, study | {"costs": costs})


def test_the_last_comparison_of_these_encoders_and_costs_on_one_thread(tmp_path):
    write_comparison(tmp_path, "2026-01-02", (2.0, 3.0, 4.0))
    write_comparison(tmp_path, "2026-01-01", (9.0, 9.0, 9.0))
    write_comparison(tmp_path, "2026-01-03", (1.0, 1.0), names=("a", "b"))
    write_costs(tmp_path, 1, (1.0, 2.0, 3.0))
    write_costs(tmp_path, 2, (8.0, 8.0, 8.0))
    header, _, *rows = SUMMARY.render(tmp_path).splitlines()
    assert header.startswith("| encoder | WER | WER, unseen speaker | time for 60 s")
    assert rows == [
        "| LaCT | 2.0 % | 2.0 % | 0.10 s | 1.0 s | 10 MiB |",
        "| Conformer | 3.0 % | 3.0 % | 0.20 s | 2.0 s | 20 MiB |",
        "| ConMamba | 4.0 % | 4.0 % | 0.30 s | 3.0 s | 30 MiB |",
    ]


def test_nothing_is_claimed_that_was_not_measured(tmp_path):
    write_comparison(tmp_path, "2026-01-02", (2.0, 3.0, 4.0))
    assert "|" not in SUMMARY.render(tmp_path)
