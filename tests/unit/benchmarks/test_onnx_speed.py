"""Exported graphs are timed beside the run that they were made of."""

import json


def test_folders_take_turns_and_medians_are_compared(
    load_benchmark, tmp_path, monkeypatch
):
    benchmark = load_benchmark("onnx_speed")
    walls = {"run": [3.0, 2.0, 9.0], "graph": [1.0, 8.0, 1.5]}
    asked = []

    def measure(function, limits, folder, audio_s, *arguments, start):
        assert (function, start, audio_s) == (benchmark.measure_point, "spawn", 15.0)
        asked.append(folder.name)
        wall_s, memory = walls[folder.name].pop(0), 100 * len(folder.name)
        rest = {"rtf": wall_s / audio_s, "loaded_memory_mib": memory / 2}
        return {"wall_s": wall_s, "peak_memory_mib": memory, **rest}

    monkeypatch.setattr(benchmark, "run_apart", measure)
    output = tmp_path / "speed.json"
    folders = [tmp_path / "run", tmp_path / "graph"]
    benchmark.main(folders, rounds=3, output=output)
    assert asked == ["run", "graph"] * 3
    first, second = json.loads(output.read_text())["models"]
    assert (first["wall_s"], first["times_as_fast"]) == (3.0, 1.0)
    assert (second["wall_s"], second["times_as_fast"]) == (1.5, 2.0)
    assert second["share_of_memory"] == 500 / 300
    assert second["grown_mib"] == 250
