import gzip
import json
import sys
from types import SimpleNamespace

import pytest

from lact_modules.data.manifest.manifest import Utterance, read_manifest
from lact_modules.errors import InputError

SOURCE = {"type": "file", "channels": [0], "source": "wav/a.wav"}
RECORDING = {
    "id": "a",
    "sources": [SOURCE],
    "sampling_rate": 16000,
    "num_samples": 48000,
    "duration": 3.0,
    "channel_ids": [0],
}
FIRST = {
    "id": "a-1",
    "recording_id": "a",
    "start": 0.5,
    "duration": 1.0,
    "channel": 0,
    "text": "ONE",
    "speaker": "7",
}
# reaches beyond the cut's end
SECOND = {**FIRST, "id": "a-2", "start": 2.0, "text": "TWO", "speaker": None}
CUT = {
    "id": "a",
    "start": 0.25,
    "duration": 2.5,
    "channel": 0,
    "supervisions": [FIRST, SECOND],
    "recording": RECORDING,
    "type": "MonoCut",
}


class FakeCutSet:
    """Reads cuts into objects of lhotse's attributes."""

    @staticmethod
    def from_file(path):
        open_text = gzip.open if path.name.endswith(".gz") else open
        with open_text(path, "rt") as stream:
            for line in stream:
                cut = json.loads(line, object_hook=lambda d: SimpleNamespace(**d))
                cut.recording.transforms = getattr(cut.recording, "transforms", None)
                for supervision in cut.supervisions:
                    supervision.end = supervision.start + supervision.duration
                yield cut


@pytest.fixture(params=["fake", "real"])
def lhotse(request, monkeypatch):
    if request.param == "real":
        pytest.importorskip("lhotse")
    else:
        fake = SimpleNamespace(CutSet=FakeCutSet)
        monkeypatch.setitem(sys.modules, "lhotse", fake)


def write_cut(path, cut):
    with gzip.open(path, "wt") if path.suffix == ".gz" else open(path, "w") as stream:
        stream.write(json.dumps(cut) + "\n")


@pytest.mark.usefixtures("lhotse")
@pytest.mark.parametrize("name", ["cuts.jsonl.gz", "cuts.jsonl"])
def test_each_supervision_is_an_utterance(tmp_path, name):
    write_cut(tmp_path / name, CUT)
    audio = str(tmp_path / "wav/a.wav")
    assert read_manifest(tmp_path / name) == [
        Utterance("a-1", audio, "ONE", 1.0, speaker="7", offset=0.75),
        Utterance("a-2", audio, "TWO", 0.5, speaker="", offset=2.25),
    ]


@pytest.mark.usefixtures("lhotse")
@pytest.mark.parametrize(
    "sources",
    [
        [{**SOURCE, "type": "url"}],
        [{**SOURCE, "channels": [0, 1]}],
        [SOURCE, {**SOURCE, "channels": [1]}],
    ],
)
def test_cut_of_another_kind_of_audio_is_refused(tmp_path, sources):
    recording = {**RECORDING, "sources": sources}
    write_cut(tmp_path / "cuts.jsonl.gz", {**CUT, "recording": recording})
    with pytest.raises(InputError, match=r"gz:1: cut a is not a part of one audio"):
        read_manifest(tmp_path / "cuts.jsonl.gz")


@pytest.mark.usefixtures("lhotse")
def test_packed_file_that_holds_no_cuts_is_refused(tmp_path):
    (tmp_path / "cuts.jsonl.gz").write_bytes(b"not packed")
    with pytest.raises(InputError, match="not a set of Lhotse's cuts"):
        read_manifest(tmp_path / "cuts.jsonl.gz")


def test_says_to_install_lhotse(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lhotse", None)
    write_cut(tmp_path / "cuts.jsonl", CUT)
    with pytest.raises(InputError, match=r"pip install .lact-asr\[lhotse\]"):
        read_manifest(tmp_path / "cuts.jsonl")
