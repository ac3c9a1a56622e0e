import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.shard.writer import write_shards
from lact_modules.errors import InputError

SAMPLES = np.random.default_rng(0).normal(scale=0.1, size=8000)


@pytest.fixture
def record(tmp_path):
    """Write half a second of noise and describe it."""

    def record(name, **options):
        path = tmp_path / name
        soundfile.write(path, SAMPLES, 16000, **options)
        return Utterance(path.stem, str(path), "ONE", 0.5, speaker="7")

    return record


def members(shard):
    with tarfile.open(shard.path) as tar:
        return {item.name: tar.extractfile(item).read() for item in tar}


@pytest.mark.parametrize("ending", ["flac", "wav", "ogg", "mp3"])
def test_a_file_that_is_an_utterance_keeps_its_bytes(record, tmp_path, ending):
    utterance = record(f"a.{ending}")
    [shard] = write_shards(tmp_path / "shards", [utterance], max_bytes=10**6)
    found = members(shard)
    assert [*found] == [f"a.{ending}", "a.json"]
    assert found[f"a.{ending}"] == (tmp_path / f"a.{ending}").read_bytes()
    note = {"id": "a", "text": "ONE", "duration": 0.5, "speaker": "7"}
    assert json.loads(found["a.json"]) == note
    assert (shard.durations, shard.texts) == ([0.5], ["ONE"])


@pytest.mark.parametrize(
    ("subtype", "tolerance"), [("PCM_16", 0), ("PCM_24", 2e-7), ("FLOAT", 2e-7)]
)
def test_a_part_of_a_file_becomes_flac(record, tmp_path, subtype, tolerance):
    utterance = replace(record("a.wav", subtype=subtype), duration=0.2, offset=0.1)
    [shard] = write_shards(tmp_path / "shards", [utterance], max_bytes=10**6)
    stored, rate = soundfile.read(io.BytesIO(members(shard)["a.flac"]))
    original, _ = soundfile.read(tmp_path / "a.wav", start=1600, frames=3200)
    assert rate == 16000
    assert stored == pytest.approx(original, abs=tolerance)


def test_names_hold_no_dots_or_slashes_of_ids(record, tmp_path):
    utterance = replace(record("a.wav"), id="de/a.b%c")
    [shard] = write_shards(tmp_path / "shards", [utterance], max_bytes=10**6)
    found = members(shard)
    assert [*found] == ["de%2Fa%2Eb%25c.wav", "de%2Fa%2Eb%25c.json"]
    assert json.loads(found["de%2Fa%2Eb%25c.json"])["id"] == "de/a.b%c"


def test_shards_keep_to_their_size_and_order(record, tmp_path):
    utterances = [replace(record("a.wav"), id=f"u{number}") for number in range(7)]
    shards = write_shards(tmp_path / "shards", utterances, max_bytes=60_000)
    assert [shard.path.name for shard in shards] == [
        f"shard-00000{number}.tar" for number in range(len(shards))
    ]
    assert len(shards) == 4
    assert all(shard.size == shard.path.stat().st_size <= 60_000 for shard in shards)
    written = [name for shard in shards for name in members(shard) if ".wav" in name]
    assert written == [f"u{number}.wav" for number in range(7)]
    # one that is too large has a shard of its own
    assert len(write_shards(tmp_path / "small", utterances, max_bytes=1)) == 7


def test_the_same_utterances_give_the_same_bytes(record, tmp_path):
    utterances = [record("a.flac"), replace(record("b.wav"), duration=0.1)]
    contents = []
    for name in ("first", "second"):
        write_shards(tmp_path / name, utterances, max_bytes=10**6)
        paths = sorted((tmp_path / name).iterdir())
        contents.append({path.name: path.read_bytes() for path in paths})
    assert contents[0].keys() == {"shard-000000.tar", "shards.json"}
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"audio_filepath": "gone.wav"}, r"gone\.wav: no such file"),
        ({"id": "a"}, "utterance a appears twice"),
        ({"offset": 1.0}, "ends before b begins"),
    ],
)
def test_after_a_fault_there_is_no_index(record, tmp_path, change, complaint):
    utterances = [record("a.wav"), replace(record("b.wav"), **change)]
    with pytest.raises(InputError, match=complaint):
        write_shards(tmp_path / "shards", utterances, max_bytes=10**6)
    assert list((tmp_path / "shards").iterdir()) == []
    # mended, it is written
    write_shards(tmp_path / "shards", utterances[:1], max_bytes=10**6)


def test_what_is_not_audio_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"noise")
    with pytest.raises(InputError, match=r"a\.wav: cannot be read as audio"):
        write_shards(tmp_path / "shards", [Utterance("a", str(path), "", 1.0)], 10**6)
    with pytest.raises(InputError, match="no utterances"):
        write_shards(tmp_path / "shards", [], 10**6)


def test_shards_are_not_written_over(record, tmp_path):
    utterances = [record("a.wav")]
    write_shards(tmp_path / "shards", utterances, max_bytes=10**6)
    with pytest.raises(InputError, match="has shards already"):
        write_shards(tmp_path / "shards", utterances, max_bytes=10**6)
