"""Parts of a LaCT mixer, switched off and on again."""

import json

import pytest


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("mixer_parts")


@pytest.fixture
def data(audio_folder, tmp_path):
    path = tmp_path / "noises.jsonl"
    entries = [
        {"id": audio.stem, "audio_filepath": str(audio), "text": "A B", "duration": 0}
        for audio in sorted(audio_folder.glob("*.flac"))
    ]
    path.write_text("\n".join(map(json.dumps, entries)))
    return path


def test_each_part_counts_and_comes_back(benchmark, trained_run, data, tmp_path):
    first, again = tmp_path / "1.json", tmp_path / "2.json"
    benchmark.main([trained_run], data, first)
    benchmark.main([trained_run], data, again)
    assert json.loads(first.read_text()) == json.loads(again.read_text())
    parts = json.loads(first.read_text())[trained_run.name]
    losses = [part["loss"] for part in parts.values()]
    assert len(set(losses)) == 4


def test_nothing_stays_switched_off(benchmark, trained_run):
    model = benchmark.Transcriber.from_folder(trained_run).model
    before = repr(model), [m.rule for m in memories(model)]
    for without in benchmark.PARTS.values():
        with benchmark.switched_off(model, without):
            pass
        assert (repr(model), [m.rule for m in memories(model)]) == before


def memories(model):
    return [module for module in model.modules() if hasattr(module, "rule")]
