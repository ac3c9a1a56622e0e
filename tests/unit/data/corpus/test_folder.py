import json

import numpy as np
import pytest
import soundfile

from lact_modules.data.corpus.folder import prepare_folder
from lact_modules.data.manifest.manifest import Utterance, read_manifest
from lact_modules.errors import InputError


@pytest.fixture
def record(tmp_path):
    """Write a second of silence below the folder ``letters``."""

    def record(name, text=None, ending=".txt"):
        path = tmp_path / "letters" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(16000), 16000)
        if text is not None:
            path.with_suffix(ending).write_text(text, encoding="utf-8-sig")
        return path

    return record


def skipped(manifest):
    return json.loads(manifest.with_suffix(".skipped.json").read_text())


def test_transcripts_stand_beside_the_audio(record, tmp_path):
    second = record("b/2.flac", "DEAR\n MADAM\n")
    first = record("a/1.wav", "DEAR SIR", ending=".lab")
    manifests = prepare_folder(tmp_path / "letters", tmp_path / "out")
    assert [*manifests] == ["letters"]
    assert read_manifest(manifests["letters"]) == [
        Utterance("a/1", str(first), "DEAR SIR", 1.0),
        Utterance("b/2", str(second), "DEAR MADAM", 1.0),
    ]


def test_splits_are_subfolders(record, tmp_path):
    record("train/1.wav", "ONE")
    record("dev/1.wav", "TWO")
    manifests = prepare_folder(tmp_path / "letters", tmp_path, ["dev", "train"])
    assert [*manifests] == ["dev", "train"]
    assert [u.id for u in read_manifest(manifests["train"])] == ["1"]


def test_what_cannot_be_used_is_listed(record, tmp_path):
    record("good.wav", "ONE")
    record("mute.wav")
    record("blank.wav", " \n")
    record("broken.wav", "ONE").write_bytes(b"noise")
    [manifest] = prepare_folder(tmp_path / "letters", tmp_path).values()
    assert [u.id for u in read_manifest(manifest)] == ["good"]
    reasons = {reason: sorted(ids) for reason, ids in skipped(manifest).items()}
    assert reasons == {
        "missing or empty transcript": ["blank", "mute"],
        "unusable audio": ["broken"],
    }
    longer = {"min_duration": 1.5}
    with pytest.raises(InputError, match="none of the 4 utterances is usable"):
        prepare_folder(tmp_path / "letters", tmp_path, **longer)


def test_a_changed_transcript_is_noticed(record, tmp_path):
    path = record("a.wav", "ONE")
    [manifest] = prepare_folder(tmp_path / "letters", tmp_path).values()
    written = manifest.stat().st_mtime_ns
    prepare_folder(tmp_path / "letters", tmp_path)
    assert manifest.stat().st_mtime_ns == written
    path.with_suffix(".txt").write_text("TWO")
    prepare_folder(tmp_path / "letters", tmp_path)
    assert [u.text for u in read_manifest(manifest)] == ["TWO"]


def test_tables_list_audio_and_parts_of_it(record, tmp_path):
    path = record("clips/long.wav")
    table = tmp_path / "train.csv"
    table.write_text(
        "id,file,text,offset,duration\n"
        "end,clips/long.wav,TWO,0.5,\n"
        "begin,clips/long.wav,ONE,0,0.25\n"
        "after,clips/long.wav,TEN,2,1\n"
    )
    manifests = prepare_folder(tmp_path / "letters", tmp_path / "out", tables=[table])
    assert read_manifest(manifests["train"]) == [
        Utterance("begin", str(path), "ONE", 0.25),
        Utterance("end", str(path), "TWO", 0.5, offset=0.5),
    ]
    assert [*skipped(manifests["train"])["unusable audio"]] == ["after"]


def test_a_fault_is_named(record, tmp_path):
    with pytest.raises(InputError, match="letters: no such folder"):
        prepare_folder(tmp_path / "letters", tmp_path)
    record("a.wav", "ONE")
    with pytest.raises(InputError, match="letters/dev: no such folder"):
        prepare_folder(tmp_path / "letters", tmp_path, ["dev"])
    table = tmp_path / "train.csv"
    with pytest.raises(InputError, match="give tables or splits"):
        prepare_folder(tmp_path / "letters", tmp_path, ["dev"], tables=[table])
    table.write_text("wav,wrd\na.wav,ONE\n")
    tables = [table, tmp_path / "train.tsv"]
    tables[1].write_text("wav\twrd\na.wav\tONE\n")
    with pytest.raises(InputError, match=r"train\.tsv: another table is called train"):
        prepare_folder(tmp_path / "letters", tmp_path, tables=tables)
    record("a.flac")
    with pytest.raises(InputError, match=r"two utterances are called a: .*a\.flac"):
        prepare_folder(tmp_path / "letters", tmp_path)
    (tmp_path / "letters" / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"a\.txt: not UTF-8 text"):
        prepare_folder(tmp_path / "letters", tmp_path)
