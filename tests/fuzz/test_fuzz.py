"""A short campaign; ``python -m tests.fuzz`` runs a long one."""

import pytest

from tests.fuzz.campaign import attack, prepare
from tests.unit.conftest import HYPERPARAMETERS, make_run, streaming_hyperparameters

KINDS = (
    *("audio", "manifest", "table", "corpus", "ARPA", "lexicon", "text"),
    *("settings", "model", "stream"),
)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    runs = []
    for name, text in (("run", HYPERPARAMETERS), ("live", streaming_hyperparameters())):
        (folder / name).mkdir()
        runs.append(make_run(folder / name, text))
    return folder / "good", prepare(folder / "good", *runs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_read_or_refused_in_a_line(good, kind, tmp_path):
    folder, targets = good
    cases = [*attack(folder, tmp_path / "cases", targets[kind], 4, f"suite-{kind}")]
    assert [str(case) for case in cases if case.outcome.fault] == []


def test_all_kinds_are_attacked(good):
    assert set(good[1]) == set(KINDS)
