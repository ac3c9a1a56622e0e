import re

import pytest

from lact_modules.scoring.likeness import describe_likeness


@pytest.mark.parametrize(
    ("said", "heard", "hint"),
    [
        ("one two", "ONE TEN", "words differ in case alone: without that WER 50.00"),
        ("e\u0301te\u0301", "été", "in Unicode's normal form alone: .* WER 0.00"),
        ("DON\u2019T GO", "DON'T GO", "in apostrophes alone: without that WER 0.00"),
        ("don\u2019t", "DON'T", "in case and apostrophes alone: .* WER 0.00"),
    ],
)
def test_words_of_another_form_are_told_of(said, heard, hint):
    assert re.match(f".*{hint}", describe_likeness([said, ""], [heard, ""]))


@pytest.mark.parametrize(
    ("said", "heard"), [("ONE TWO", "ONE TWO"), ("ONE", "TWO"), ("", "A"), ("A", "")]
)
def test_other_errors_are_not(said, heard):
    assert describe_likeness([said], [heard]) == ""
