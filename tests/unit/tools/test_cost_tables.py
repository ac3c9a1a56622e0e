"""Tables and plots of what encoders cost."""

import json

import pytest

from tools.cost_plots import MEMORY_PLOT, TIME_PLOT
from tools.cost_tables import CHOICES, MEMORY, RATIOS, TIME


@pytest.fixture
def publish(tmp_path):
    def write(
        name="noise_encoders", date="2026-01-02", threads=1, factor=1.0, **changes
    ):
        costs = [
            {
                "system": system,
                "pass": kind,
                "seconds": seconds,
                "batch": batch,
                "times_s": [time * factor, 3 * time * factor, 2 * time * factor],
                "memory_mib": 100.0 * time,
            }
            for seconds, batch in ((15.0, 4), (60.0, 1), (960.0, 1))
            for kind in ("forward", "training step")
            for system, time in (("lact_conformer", 0.5), ("conformer", 1.0))
            if (system, seconds) != ("conformer", 960.0)
        ]
        study = {
            "group": "cost",
            "study": "encoders",
            "keep_freed": True,
            "date": f"{date}T00:00:00+00:00",
            "hardware": {"gpu": None, "cpu": "CPU", "threads": threads},
            "precision": "fp32",
            "systems": {"lact_conformer": 1, "conformer": 1},
            "costs": costs,
            **changes,
        }
        path = tmp_path / "results" / name / str(threads) / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(study))
        return tmp_path / "results"

    return write


def test_without_results_they_have_a_note(tmp_path):
    for table in (TIME, MEMORY, RATIOS, CHOICES, TIME_PLOT):
        assert "Nothing" in table.render(tmp_path)
    assert TIME_PLOT.draw(tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())


def test_rows_have_a_cell_for_each_length(publish):
    results = publish()
    header, rule, first, second, *_ = TIME.render(results).splitlines()
    assert {line.count("|") for line in (header, rule, first, second)} == {11}
    on = "[1 threads, CPU, fp32](../results/noise_encoders/1)"
    assert first == f"| {on} | forward | lact_conformer | - | - | 1 | 1 | - | 1 | - |"
    assert second.endswith("| forward | conformer | - | - | 2 | 2 | - | - | - |")
    _, _, memory, *_ = MEMORY.render(results).splitlines()
    assert memory.endswith("| lact_conformer | - | - | 50 | 50 | - | 50 | - |")


def test_shares_stand_beside_what_is_aimed_at(publish):
    _, _, *rows = RATIOS.render(publish()).splitlines()
    assert len(rows) == 4
    assert rows[0].endswith(
        "| forward, time | conformer | - | - | 0.50 (aim 1.05) | 0.50 (aim 0.8) "
        "| - | - | - |"
    )
    assert "training step, memory | conformer | - | - | 0.50 | 0.50 |" in rows[3]


def test_plots_are_drawn_anew_when_there_is_something_new(publish, tmp_path):
    results = publish()
    for plot in (TIME_PLOT, MEMORY_PLOT):
        assert not plot.draw(results, tmp_path, check=True)
        assert not (tmp_path / plot.name).exists()
        assert not plot.draw(results, tmp_path)
        drawn = (tmp_path / plot.name).read_text()
        assert "conformer" in drawn and "seconds of speech" in drawn
        assert plot.draw(results, tmp_path, check=True)
        assert f"({plot.name})" in plot.render(results)
    publish("noise_later", "2026-01-03", factor=2.0)
    assert not TIME_PLOT.draw(results, tmp_path)
    assert (tmp_path / TIME_PLOT.name).read_text() != drawn


def test_plots_are_of_the_fewest_threads(publish, tmp_path):
    publish(threads=2)
    TIME_PLOT.draw(publish(threads=1), tmp_path)
    assert "1 threads" in TIME_PLOT.render(tmp_path / "results")


def test_choices_of_one_encoder_stand_in_a_table_of_their_own(publish):
    results = publish(study="choices", keep_freed=False)
    assert "Nothing" in TIME.render(results)
    _, _, first, *_ = CHOICES.render(results).splitlines()
    assert first.startswith("| [1 threads, CPU, fp32, freed memory is returned](")
    assert "| lact_conformer | - | - | 1 s, 50 MiB | 1 s, 50 MiB | - |" in first
