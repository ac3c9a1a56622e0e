import json
import re
from html.parser import HTMLParser

import pytest

from lact_modules.comparison.compare import compare
from lact_modules.comparison.report import to_html, to_json
from lact_modules.comparison.runs import Run, group_runs
from lact_modules.comparison.speed import SpeedCurve, SpeedPoint

SPEED = [
    SpeedCurve(
        name,
        (SpeedPoint(1.0, 0.05, 500.0), SpeedPoint(60.0, 0.01, 800.0)),
        "300 s: out of memory",
        {"cpu": "some processor", "gpu": None},
    )
    for name in ("lact_demo", "conformer_demo")
]


class Page(HTMLParser):
    """Tags that are opened, and those left open."""

    VOID = ("meta", "br", "use", "path", "rect", "line", "circle")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)
        self.links += [v for k, v in attributes if k in ("src", "href")]


def test_page_is_well_formed_and_needs_nothing_else(systems):
    page = Page(to_html(compare(systems), SPEED))
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & set(page.seen)
    assert page.seen.count("svg") == 2 + 4 + 2


def test_page_shows_scores_and_settings(systems):
    comparison = compare(systems)
    text = to_html(comparison)
    for trial in comparison.trials:
        for score in trial.scores:
            assert f"<strong>{score.wer:.2f}</strong>" in text
    assert "lact_modules.layers.AttentionMixer" in text
    assert "<strong>Cautions" not in text
    assert "Inference by length" not in text


def test_page_warns_of_unequal_budgets(make_run):
    folders = make_run(), make_run("other", num_epochs=26)
    text = to_html(compare(group_runs(map(Run.from_folder, folders))))
    assert "not the same budget: num_epochs 20 / 26" in text


def test_colors_are_left_to_the_style_sheet(systems):
    figures = re.findall(r"<svg.*?</svg>", to_html(compare(systems), SPEED), re.DOTALL)
    for figure in figures:
        assert "var(--system-0)" in figure
        assert "var(--system-1)" in figure
        assert "currentColor" in figure
        colors = set(re.findall(r"(?:fill|stroke): ?(#\w+)", figure))
        assert not colors


def test_names_are_escaped(make_run):
    comparison = compare(group_runs([Run.from_folder(make_run("a<b>&c"))]))
    assert "a<b>" not in to_html(comparison)


def test_runs_of_one_seed_and_of_older_logs_are_shown(make_run):
    folder = make_run()
    log = folder / "metrics.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        del entry["training_s"]
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    text = to_html(compare(group_runs([Run.from_folder(folder)])))
    assert "one seed" in text
    assert "by second" not in text
    assert "Differences" not in text


def test_json_holds_what_the_page_shows(systems):
    comparison = compare(systems)
    data = json.loads(json.dumps(to_json(comparison, SPEED)))
    assert [system["name"] for system in data["systems"]] == [
        "lact_demo",
        "conformer_demo",
    ]
    trial = data["trials"][0]
    assert trial["scores"][0]["wer"] == pytest.approx(
        comparison.trials[0].scores[0].wer
    )
    assert trial["differences"][0]["systems"] == ["lact_demo", "conformer_demo"]
    assert data["speed"][0]["points"][1]["audio_s"] == 60.0
    assert data["systems"][0]["runs"][0]["hardware"]["cpu"]
