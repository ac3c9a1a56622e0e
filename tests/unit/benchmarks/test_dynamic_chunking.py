"""Models with dynamic chunking are timed and drawn."""

import json
import math

import pytest

from lact_modules.errors import InputError


def test_time_is_compared_with_the_parent(
    load_benchmark, trained_run, chunked_run, data, tmp_path
):
    load_benchmark("dynamic_chunking").main(
        [trained_run, chunked_run],
        data=data,
        durations="2",
        keep_ratio="1,0.5",
        repeats=2,
        output=tmp_path,
    )
    found = json.loads((tmp_path / "result.json").read_text())
    parent, chunked, whole, half = found["time"]["2"]
    assert (parent["keep_ratio"], parent["predicted"], parent["encoder"]) == (1, 1, 1)
    assert [row["is_even"] for row in (chunked, whole, half)] == [False, True, True]
    assert (whole["keep_ratio"], half["keep_ratio"]) == (1, 0.5)
    # one of two blocks
    assert half["predicted"] == 0.75
    assert all(math.isfinite(row["whole_ms"]) for row in (parent, chunked, half))


def test_a_model_without_segments_is_refused(load_benchmark, trained_run, data):
    with pytest.raises(InputError, match="no dynamic chunking"):
        load_benchmark("dynamic_chunking").main([trained_run] * 2, data=data)


def test_boundaries_are_drawn(load_benchmark, chunked_run, data, tmp_path):
    picture = tmp_path / "new" / "boundaries.png"
    load_benchmark("boundaries").main([chunked_run], data=data, count=2, output=picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
