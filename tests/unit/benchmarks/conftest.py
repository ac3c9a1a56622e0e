"""Programs of ``benchmarks/``, which import one another."""

import importlib
from pathlib import Path

import pytest

from lact_modules.data.manifest.manifest import Utterance, write_manifest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def load_benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture
def data(audio_folder, tmp_path):
    path = tmp_path / "a" / "b" / "noises.jsonl"
    audio = [str(each) for each in sorted(audio_folder.glob("*.flac"))[:3]]
    write_manifest(path, [Utterance(Path(a).stem, a, "A B", 0.0) for a in audio])
    return path
