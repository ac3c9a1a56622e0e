import pytest

from lact_modules.data.manifest.manifest import (
    Utterance,
    check_ids,
    manifest_name,
    read_manifest,
    write_manifest,
)
from lact_modules.errors import InputError


def test_written_manifest_is_read_back(tmp_path):
    utterances = [
        Utterance("b", "/audio/b.flac", "ÜBER ALL", 1.25, speaker="7", offset=0.5),
        Utterance("a", "/audio/a.flac", "ONE", 2.0, channel=1),
    ]
    path = tmp_path / "new" / "train.jsonl"
    write_manifest(path, utterances)
    assert read_manifest(path) == utterances
    assert [file.name for file in path.parent.iterdir()] == ["train.jsonl"]


def test_failed_write_leaves_the_old_manifest(tmp_path):
    path = tmp_path / "train.jsonl"
    write_manifest(path, [Utterance("a", "a.wav", "ONE", 1.0)])
    before = path.read_text()

    def interrupted():
        yield Utterance("b", "b.wav", "TWO", 1.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_manifest(path, interrupted())
    assert path.read_text() == before


def test_an_id_that_stands_twice_is_named():
    one, two = (Utterance(name, "a.wav", "ONE", 1.0) for name in "ab")
    assert list(check_ids([one, two])) == [one, two]
    with pytest.raises(InputError, match="utterance a appears twice; make ids unique"):
        list(check_ids([one, two, one]))


def test_manifest_of_another_tool_is_read(tmp_path):
    path = tmp_path / "nemo.json"
    path.write_text(
        '{"audio_filepath": "wav/a.wav", "text": "one", "duration": null}\n'
        "\n"
        '{"audio_filepath": "/b.wav", "text": "", "lang": "en"}\n'
    )
    first, second = read_manifest(path)
    assert first == Utterance("a", str(tmp_path / "wav/a.wav"), "one", 0.0)
    assert (second.id, second.audio_filepath, second.text) == ("b", "/b.wav", "")


def test_files_of_one_name_are_distinguished_by_the_line(tmp_path):
    path = tmp_path / "parts.jsonl"
    path.write_text(
        '{"audio_filepath": "x/1.wav", "text": "one"}\n'
        '{"audio_filepath": "2.wav", "text": "two"}\n'
        '{"audio_filepath": "1.wav", "text": "one", "offset": 2.5}\n'
    )
    assert [u.id for u in read_manifest(path)] == ["1-1", "2", "1-3"]


def test_csv_of_speechbrain_is_read(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(
        "ID,duration,wav,spk_id,wrd\n"
        '7-1-0, 1.25, flac/7-1-0.flac, 7, "ONE, TWO"\n'
        "7-1-1,2,/corpus/7-1-1.flac,7,\n",
        encoding="utf-8-sig",
    )
    assert read_manifest(path) == [
        Utterance("7-1-0", str(tmp_path / "flac/7-1-0.flac"), "ONE, TWO", 1.25, "7"),
        Utterance("7-1-1", "/corpus/7-1-1.flac", "", 2.0, "7"),
    ]


def test_tsv_has_no_quotes(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text(
        "client_id\tpath\tsentence\tstart\n"
        'x\tclips/a.mp3\t"Yes\t\n'
        'y\tclips/b.mp3\tno" he said\t1.5\n'
    )
    assert read_manifest(path) == [
        Utterance("a", str(tmp_path / "clips/a.mp3"), '"Yes', 0.0, "x"),
        Utterance("b", str(tmp_path / "clips/b.mp3"), 'no" he said', 0.0, "y", 1.5),
    ]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("wav,said\na.wav,ONE\n", r"no column text \(wrd, .* the table has: wav, s"),
        ("", "no column audio_filepath .* and no text .* has: nothing"),
        ("wav,wrd\na.wav,ONE,TWO\n", r"bad\.csv:2: more cells than"),
        ("wav,wrd\na.wav\n", r"bad\.csv:2: .*text is missing"),
        ("wav,wrd,duration\na.wav,ONE,1 s\n", r"bad\.csv:2: .*'1 s'"),
        ("wav,wrd\n", "has no utterances"),
    ],
)
def test_fault_of_a_table_is_named(tmp_path, table, complaint):
    path = tmp_path / "bad.csv"
    path.write_text(table)
    with pytest.raises(InputError, match=complaint):
        read_manifest(path)


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1, 2]",
        '{"text": "one"}',
        '{"audio_filepath": "a.wav"}',
        '{"audio_filepath": "a.wav", "text": null}',
        '{"audio_filepath": "a.wav", "text": "one", "duration": "long"}',
        '{"audio_filepath": "a.wav", "text": "one", "duration": NaN}',
        '{"audio_filepath": "a.wav", "text": "one", "offset": -1}',
    ],
)
def test_bad_line_is_named(tmp_path, line):
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"audio_filepath": "a.wav", "text": "one"}}\n{line}\n')
    with pytest.raises(InputError, match=r"bad\.jsonl:2: not a manifest line"):
        read_manifest(path)


def test_missing_empty_or_binary_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(tmp_path / "gone.jsonl")
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n\n")
    with pytest.raises(InputError, match="no utterances"):
        read_manifest(empty)
    for name in ("binary.jsonl", "binary.csv"):
        binary = tmp_path / name
        binary.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(InputError, match=r"not a (manifest|table)"):
            read_manifest(binary)


@pytest.mark.parametrize("ending", ["jsonl", "csv", "jsonl.gz", "json"])
def test_data_go_by_the_name_without_its_ending(ending):
    assert manifest_name(f"data/test.clean.{ending}") == "test.clean"
