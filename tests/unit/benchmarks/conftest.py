"""Programs of ``benchmarks/``, which import one another."""

import importlib
from pathlib import Path

import pytest
import soundfile

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from tests.spoken_tones import NAMES, RATE, speak

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


@pytest.fixture
def corpus(tmp_path):
    """Make a corpus of strings in LibriSpeech's layout."""
    for split in ("train", "dev", "test"):
        chapter = tmp_path / "corpus" / split / "7" / "1"
        chapter.mkdir(parents=True)
        soundfile.write(chapter / "7-1-0000.flac", speak(NAMES).numpy(), RATE)
        (chapter / "7-1.trans.txt").write_text(f"7-1-0000 {' '.join(NAMES)}\n")
    return tmp_path / "corpus"
