import re

import pytest

from lact_modules.scoring.likeness import describe_likeness


@pytest.mark.parametrize(
    ("reference", "hypothesis", "hint"),
    [
        ("one two", "ONE TEN", "words differ in case alone: without that WER 50.00"),
        ("e\u0301te\u0301", "été", "in Unicode's normal form alone: .* WER 0.00"),
        ("DON\u2019T GO", "DON'T GO", "in apostrophes alone: without that WER 0.00"),
        ("don\u2019t", "DON'T", "in case and apostrophes alone: .* WER 0.00"),
    ],
)
def test_words_of_another_form_are_reported(reference, hypothesis, hint):
    assert re.match(f".*{hint}", describe_likeness([reference, ""], [hypothesis, ""]))


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [("ONE TWO", "ONE TWO"), ("ONE", "TWO"), ("", "A"), ("A", "")],
)
def test_other_errors_are_not(reference, hypothesis):
    assert describe_likeness([reference], [hypothesis]) == ""
