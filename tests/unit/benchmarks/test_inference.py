"""Trained models are timed by the length of their input."""

import json


def test_points_are_measured_until_a_limit_is_met(
    load_benchmark, trained_run, tmp_path, monkeypatch, capsys
):
    benchmark = load_benchmark("inference")

    def measure(function, limits, run, audio_s, *arguments, start):
        assert start == "spawn"
        if audio_s > 1:
            return "more than 9 s"
        return function(run, audio_s, *arguments)

    monkeypatch.setattr(benchmark, "run_apart", measure)
    output = tmp_path / "inference.json"
    benchmark.main([trained_run], durations="1,0.5,2,3", output=output, repeats=1)
    [model] = json.loads(output.read_text())["models"]
    assert [point["audio_s"] for point in model["points"]] == [0.5, 1.0]
    assert all(point["rtf"] > 0 for point in model["points"])
    assert model["stopped"] == "2 s: took more than 9 s"
    assert "2 s: took more than 9 s" in capsys.readouterr().err
