"""Models and early exits are timed in turns."""

import json

import pytest

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.errors import InputError


def run(load_benchmark, tmp_path, names, **options):
    output = tmp_path / "in_turns.json"
    load_benchmark("in_turns").main(
        names, seconds=0.5, rounds=1, output=output, **options
    )
    return json.loads(output.read_text())


def test_ratios_are_those_to_the_first_model(
    load_benchmark, trained_run, data, tmp_path
):
    name, other = str(trained_run), f"{trained_run}/."
    report = run(load_benchmark, tmp_path, [name, other], data=data, limit=2)
    models = report["models"]
    assert models[name]["ratio"] == 1
    assert models[other]["ratio"] > 0
    assert models[name]["wer"] == models[other]["wer"] > 0


def test_a_file_that_cannot_be_read_ends_it(load_benchmark, trained_run, tmp_path):
    (tmp_path / "no.wav").write_bytes(b"not audio")
    manifest = tmp_path / "manifest.jsonl"
    write_manifest(manifest, [Utterance("a", "no.wav", "A", 1.0, "me")])
    with pytest.raises(InputError, match=r"no\.wav"):
        run(load_benchmark, tmp_path, [str(trained_run)], data=manifest)
