import math

import pytest

from lact_modules.decoding.numbers import check_number
from lact_modules.errors import InputError


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (0, {"least": 0}),
        (1.5, {}),
        (5, {"least": 1, "most": 5, "whole": True}),
        (0.1, {"above": 0, "below": 1}),
    ],
)
def test_what_fits_passes(value, limits):
    check_number("x", value, **limits)


@pytest.mark.parametrize(
    ("value", "limits", "wanted"),
    [
        (math.nan, {}, "a finite number"),
        (math.inf, {"least": 0}, "a finite number, at least 0"),
        (-0.5, {"least": 0}, "at least 0"),
        (1, {"below": 1}, "below 1"),
        (0, {"above": 0, "most": 1}, "at most 1, above 0"),
        (6, {"most": 5, "whole": True}, "a whole number, at most 5"),
        (2.0, {"whole": True}, "a whole number"),
        ("5", {}, "a finite number"),
        (True, {"whole": True}, "a whole number"),
        (None, {}, "a finite number"),
    ],
)
def test_what_does_not_is_named(value, limits, wanted):
    with pytest.raises(InputError, match=f"weight {value}: expected .*{wanted}"):
        check_number("weight", value, **limits)
