"""Methods of test-time training measured side by side."""

import json
from pathlib import Path

import pytest
import yaml

from lact_modules.adaptation.methods import build_adapter
from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.inference.transcriber import Transcriber

METHODS = sorted((Path(__file__).parents[3] / "benchmarks" / "methods").glob("*.yaml"))


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("test_time_training")


@pytest.fixture
def data(audio_folder, tmp_path):
    path = tmp_path / "noises.jsonl"
    audio = [str(each) for each in sorted(audio_folder.glob("*.flac"))[:3]]
    write_manifest(path, [Utterance(Path(a).stem, a, "A B", 0.0) for a in audio])
    return path


@pytest.fixture
def measure(benchmark, trained_run, data, tmp_path):
    """Return a function that measures methods and returns a file of the output."""
    methods, output = tmp_path / "methods.yaml", tmp_path / "out"

    def run(lact, file, **options):
        methods.write_text(f"none: null\nlact: {{method: lact, {lact}}}\n")
        options = {"conditions": "gaussian:0.1,speed:1.1", "seeds": "1,2", **options}
        benchmark.main(trained_run, data, methods, output=output, **options)
        return json.loads((output / file).read_text())

    return run


def test_measures_once_and_compares_with_the_first(measure):
    def run():
        return measure("lr: 0.5, is_gated: false", "result.json")["methods"]

    first = run()
    trials = {"clean", "gaussian-0.1/1", "gaussian-0.1/2", "speed-1.1/1"}
    assert first["lact"]["wer_by_trial"].keys() == trials
    assert first["none"]["difference"] == 0
    means = [first[name]["wer"] for name in ("none", "lact")]
    # every trial has the same words
    assert first["lact"]["difference"] == pytest.approx(means[1] - means[0])
    assert first["lact"]["kept_unadapted"] == 0
    assert run() == first


def test_a_stream_changes_its_condition(measure):
    found = measure("mode: continual", "lact.json", stream=2)["trials"]
    # two words each, three conditions with the clean one
    assert {name: trial["words"] for name, trial in found.items()} == {
        "stream/1": [2] * 6,
        "stream/2": [2] * 6,
    }


def test_utterances_are_joined_to_recordings(measure, monkeypatch):
    lengths = []
    original = Transcriber.run_model

    def run_model(self, waveforms):
        lengths.extend(map(len, waveforms))
        return original(self, waveforms)

    monkeypatch.setattr(Transcriber, "run_model", run_model)
    options = {"conditions": "speed:0.5", "seeds": "1"}
    found = measure("steps: 1", "lact.json", join=60.0, **options)["trials"]
    # clean and slow, without adaptation and with it
    assert len(lengths) == 4
    assert {len(trial["errors"]) for trial in found.values()} == {3}
    gaps = 2 * 8000
    assert lengths[1] - gaps == pytest.approx(2 * (lengths[0] - gaps), abs=3)


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_methods_can_be_built(path, trained_run):
    model = Transcriber.from_folder(trained_run).model
    for options in yaml.safe_load(path.read_text()).values():
        if options and "masked_prediction" not in options.get("loss", ""):
            parameters = options.get("parameters")
            given = {"parameters": tuple(parameters)} if parameters else {}
            build_adapter(model, **{**options, **given})
