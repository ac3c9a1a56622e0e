import json

import pytest

from lact_modules.comparison.speed import read_speed
from lact_modules.errors import InputError


def test_reads_what_was_measured_and_skips_models_without_a_point(tmp_path):
    path = tmp_path / "inference.json"
    point = {"audio_s": 5.0, "rtf": 0.1, "peak_memory_mib": 300.0, "wall_s": 0.5}
    models = [
        {"name": "lact_demo", "points": [point], "stopped": "15 s: out of memory"},
        {"name": "huge", "points": [], "stopped": "5 s: out of memory"},
    ]
    path.write_text(json.dumps({"hardware": {"gpu": "H200"}, "models": models}))
    (curve,) = read_speed([path])
    assert curve.name == "lact_demo"
    assert curve.points[0].rtf == 0.1
    assert curve.stopped == "15 s: out of memory"
    assert curve.hardware == {"gpu": "H200"}


@pytest.mark.parametrize("content", [None, "", "{}", "[]"])
def test_names_what_is_not_a_benchmark(tmp_path, content):
    path = tmp_path / "inference.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"inference\.json.*benchmarks/inference\.py"):
        read_speed([path])
