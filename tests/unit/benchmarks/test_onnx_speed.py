"""Exported graphs are timed beside the run that they were made of."""

import json

import pytest

from lact_modules.errors import InputError
from tools.onnx_tables import SPEED


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("onnx_speed")


def test_ways_take_turns_and_are_compared(
    benchmark, run_copy, onnx_copy, tmp_path, monkeypatch
):
    walls = {"PyTorch": [3.0, 2.0, 9.0], "float32": [1.0, 8.0, 1.5]}
    asked = []

    def measure(way, seconds, repeats, threads):
        asked.append(f"{way.kind} {seconds:g} {way.form} {way.program}")
        by_round = walls[way.form][(len(asked) - 1) // 6]
        times = [9 * by_round, by_round, 0.0]
        return {"times_s": times, "memory_mib": 50.0 * len(way.program)}

    monkeypatch.setattr(benchmark, "measure", measure)
    (onnx_copy / "stream.onnx").write_bytes(b"")
    result = {"dataset": "digits", "recipe": "ctc", "model": "small", "parameters": 2e6}
    (run_copy / "result.json").write_text(json.dumps(result))
    output = tmp_path / "results" / "digits" / "small"
    benchmark.main([run_copy, onnx_copy], rounds=3, output=output)
    ways = ["PyTorch lact-asr", "float32 lact-asr", "float32 onnxruntime"]
    order = [*(f"file 15 {way}" for way in ways), *(f"stream 60 {way}" for way in ways)]
    assert asked == order * 3
    _, _, *rows = SPEED.render(tmp_path / "results").splitlines()
    assert len(rows) == 6
    assert "| file, 15 s | PyTorch, by lact-asr |" in rows[0]
    cells = rows[2].split(" | ")[-4:]
    assert cells == ["1.5", "3.00", "550", "1.38 |"]


def test_a_graph_is_run_without_pytorch(benchmark, onnx_export, onnx_stream_export):
    for folder, kind in (onnx_export, "file"), (onnx_stream_export, "stream"):
        way = benchmark.Way(folder, "float32", "onnxruntime", kind)
        found = benchmark.measure(way, seconds=1.0, repeats=2, threads=1)
        assert len(found["times_s"]) == 2
        # PyTorch alone is larger
        assert 0 < found["memory_mib"] < 200


def test_what_cannot_be_run_is_named(benchmark, onnx_copy):
    way = benchmark.Way(onnx_copy, "float32", "onnxruntime", "stream")
    with pytest.raises(InputError, match=r"onnx: onnxruntime cannot run it .*stream"):
        benchmark.measure(way, seconds=1.0, repeats=1, threads=1)
