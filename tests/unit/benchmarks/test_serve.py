"""The benchmark of the server runs, and reports its results."""

import json
import os

import pytest


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("serve")


def test_percentiles(benchmark):
    assert benchmark.percentiles([]) is None
    assert benchmark.percentiles([0.1, 0.2, 0.3])["p95_s"] == 0.29


def test_processes_are_measured(load_benchmark):
    resident = load_benchmark("resident")
    assert resident.memory_mib(pid=os.getpid()) > 10
    assert resident.cpu_seconds(os.getpid()) > 0


def test_clients_speak_die_and_are_counted(
    benchmark, streaming_run, tmp_path, audio_folder, monkeypatch
):
    waves = benchmark.bad_clients.WAVES
    monkeypatch.delitem(waves, "slow")
    benchmark.main(
        streaming_run,
        clients=2,
        seconds=2.0,
        audio=[str(audio_folder)],
        output=tmp_path,
        threads=1,
        rounds=1,
    )
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["study"] == "serving"
    assert [stream["audio_s"] for stream in result["streams"]] == [2.0, 2.0]
    assert 0 < result["lag"]["p50_s"] <= result["lag"]["max_s"]
    assert [point["after"] for point in result["waves"]] == list(waves)
    assert all(point["clients_left"] == 0 for point in result["waves"])
    assert result["used_memory_mib"] > 100
