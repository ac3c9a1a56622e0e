"""The order in which utterances were spoken."""

import json

import pytest

from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.data.long_form.reading_order import group_by_recording
from lact_modules.data.manifest.manifest import Utterance, read_manifest, write_manifest
from lact_modules.errors import InputError


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_groups(path):
    return [[u.id for u in each] for each in group_by_recording(read_manifest(path))]


def rows(names, **columns):
    """Make a manifest's rows, each with its value of every column."""
    return [
        {"id": name, "audio_filepath": f"{name}.wav", "text": "A", "duration": 1.0}
        | {column: values[i] for column, values in columns.items()}
        for i, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"recording": ["r", "q", "r", "r"], "order": [10, 1, 9, 2]},
        {"session_id": [7, 8, 7, 7], "turn": ["10", "1", "9", "2.5"]},
        {"speaker": ["s", "t", "s", "s"], "utterance_index": [3.5, 0, 2, 1]},
        {"chapter": [1, 2, 1, 1], "order": [3, 1, 2, 1], "speaker": ["s"] * 4},
        # chapter 1 of one speaker is not that of another
        {"chapter": [1, 1, 1, 1], "order": [3, 1, 2, 1], "speaker": [*"stss"]},
        # parts of one file
        {"audio_filepath": ["x", "y", "x", "x"], "start": [9.0, 0.0, 8.5, 0.5]},
    ],
    ids=lambda columns: " ".join(columns),
)
def test_any_table_may_define_the_order(tmp_path, columns):
    groups = read_groups(write(tmp_path / "a.jsonl", rows("abcd", **columns)))
    assert sorted(groups) == [["b"], ["d", "c", "a"]]


@pytest.mark.parametrize("speaker", ["1034", "1034-121119", ""])
def test_ids_of_librispeech_define_the_order(tmp_path, speaker):
    names = [f"1034-{chapter}-{i:04d}" for i in (10, 9, 0) for chapter in (7, 121119)]
    table = rows(names, speaker=[speaker] * 6)
    if speaker == "1034-121119":
        table = table[1::2]
    groups = read_groups(write(tmp_path / "a.jsonl", table))
    assert [[name[-4:] for name in each] for each in groups] == (
        [["0000", "0009", "0010"]] * (1 if speaker == "1034-121119" else 2)
    )


def test_a_prepared_corpus_has_chapter_and_order(audio_folder, tmp_path):
    for chapter, count in (("1", 3), ("2", 1)):
        folder = tmp_path / "train" / "7" / chapter
        folder.mkdir(parents=True)
        names = [f"7-{chapter}-{i:04d}" for i in range(count)]
        for name in names:
            audio = (audio_folder / "noise-0.flac").read_bytes()
            (folder / f"{name}.flac").write_bytes(audio)
        lines = "".join(f"{name} A\n" for name in reversed(names))
        (folder / f"7-{chapter}.trans.txt").write_text(lines)
    manifest = prepare_librispeech(tmp_path, tmp_path / "m", ["train"])["train"]
    found = {u.id: (u.recording, u.order) for u in read_manifest(manifest)}
    assert found == {f"7-1-000{i}": ("7-1", i) for i in range(3)} | {
        "7-2-0000": ("7-2", 0)
    }
    write_manifest(tmp_path / "again.jsonl", read_manifest(manifest))
    assert read_manifest(tmp_path / "again.jsonl") == read_manifest(manifest)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "a: its place .* unknown.* 'order'"),
        ({"recording": ["r", "r"]}, "a: its place .* unknown.* 'order'"),
        ({"recording": ["r", "r"], "order": [1, "x"]}, "b: its place .* 'order'"),
        ({"order": [1, 2]}, "a: its place .* unknown.* 'recording'"),
        ({"recording": ["r", "r"], "order": [3, 3]}, "a and b are both number 3 of r"),
    ],
)
def test_no_order_is_made_up(tmp_path, columns, message):
    path = write(tmp_path / "a.jsonl", rows("ab", **columns))
    with pytest.raises(InputError, match=message):
        read_groups(path)


def test_a_manifest_without_such_columns_is_as_it_was(tmp_path):
    write_manifest(tmp_path / "a.jsonl", [Utterance("a", "a.wav", "ONE", 1.0)])
    assert (
        not {"recording", "order"}
        & json.loads((tmp_path / "a.jsonl").read_text()).keys()
    )
