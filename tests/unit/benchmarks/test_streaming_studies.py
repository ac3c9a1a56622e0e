"""Studies of streaming models run, and find what is known beforehand."""

import json

import pytest


@pytest.fixture
def measure(load_benchmark, streaming_run, tmp_path):
    def run(name, first, **options):
        load_benchmark(name).main(first, output=tmp_path / "out", **options)
        return json.loads((tmp_path / "out" / "result.json").read_text())

    run.model = streaming_run
    return run


def test_latency_is_compared_with_the_whole(measure, data):
    found = measure("latency", [measure.model] * 2, data=[data], chunks="0.32,0.64")
    rows = found["latency"]["noises"]
    assert [row["chunk_seconds"] for row in rows] == [None, 0.32, 0.64]
    assert rows[0]["difference"] == 0
    for row in rows:
        # the same run twice
        assert row["wer_by_run"] == [row["wer"]] * 2
        assert row["difference"] == pytest.approx(row["wer"] - rows[0]["wer"])


def test_latency_of_a_beam(measure, data):
    found = measure(
        "latency", [measure.model], data=[data], chunks="0.64", beam_size=4, limit=1
    )
    assert found["decoding"] == "beam 4"
    assert len(found["latency"]["noises"]) == 2


def test_memory_is_compared_on_the_same_words(measure, data):
    systems = {"window": [measure.model], "window_left": 5.12, "data": data}
    found = measure("memory", [measure.model], **systems)["memory"]
    assert len(found) == 7
    # here the window's run is the same one
    assert found["nothing"]["wer"] == found["nothing, longer window"]["wer"]
    assert found["everything"]["wer"] == found["everything, longer window"]["wer"]
    assert found["nothing"]["against"]["nothing, longer window"]["wer"] == 0


def test_pieces_change_nothing(measure, data):
    found = measure("pieces", measure.model, data=data, chunks="0.32", limit=1)
    difference = found["difference"]["0.32"]
    assert difference.keys() == {"1", "160", "1000", "random", "whole", "float64"}
    assert max(difference.values()) < 1e-4
    assert difference["float64"] < 1e-6


def test_a_long_stream_keeps_its_state(measure, data):
    options = {"data": [data], "hours": 0.02, "interval": 0.25, "block": 2}
    found = measure("long_stream", measure.model, **options)
    rows = found["rows"]
    assert len(rows) >= 4
    assert found["is_finite"]
    # a chunk of frames that waits, or less, on top of what is carried
    assert max(found["state_kib"]) < 1.5 * min(found["state_kib"])
    assert rows[-1]["largest_norm"] > 0
    assert found["old_over_fresh_cpu"] > 0
    assert all(row["wer"].keys() == {"a/noises.jsonl"} for row in rows)


def test_pauses_are_compared_with_none_every_way(measure, data):
    lengths = {"around": "0.5", "gaps": "2", "levels": "-50", "gap_levels": "-50"}
    found = measure("pauses", measure.model, data=[data], group=2, **lengths)
    rows = found["pauses"]["noises"]
    ways = {(row["way"], row["place"]) for row in rows}
    around = {("transcribe", "around"), ("chunk", "around")}
    assert ways == around | {(way, "before") for way in ("chunk", "stream", "serve")}
    assert len(rows) == 3 * len(ways)
    without = {r["way"]: r["wer"] for r in rows if r["pause"] == "none"}
    assert without["stream"] == without["serve"]
    for row in rows:
        if row["pause"] != "none" and row["place"] == "before":
            rise = row["wer"] - without[row["way"]]
            assert row["difference"] == pytest.approx(rise)


def test_pauses_of_a_model_for_whole_utterances(load_benchmark, trained_run):
    trained = load_benchmark("pauses").load_model(trained_run)
    assert [*load_benchmark("pauses").find_ways(trained)] == ["transcribe"]
