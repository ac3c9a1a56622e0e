"""Manifests as other tools and people write them, through the command line."""

import gzip
import json
import re

import numpy as np
import pytest
import soundfile

RATE = 8000
WANTED = {"one": (0.0, 1.5), "two": (1.5, 0.75), "three": (2.5, 1.0)}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with four seconds of noise, ``long.wav``."""
    samples = 0.1 * np.random.default_rng(0).normal(size=4 * RATE)
    soundfile.write(tmp_path / "long.wav", samples, RATE)
    return tmp_path


@pytest.fixture
def prepare(lact_asr, folder):
    """Prepare a table of the folder; give parts by text, or what is complained of."""

    def run(content, name="table.csv"):
        table = folder / name
        table.write_bytes(content if isinstance(content, bytes) else content.encode())
        out = folder / "out"
        done = lact_asr("prepare", "folder", folder, out, "--table", table)
        if done.code:
            assert done.code == 2
            assert len(done.err.strip().splitlines()) == 1, done.err
            return done.err
        [manifest] = out.glob("*.jsonl")
        lines = map(json.loads, manifest.read_text().splitlines())
        return {u["text"]: (u["offset"], u["duration"]) for u in lines}

    return run


def table_of(columns, *, scale=1.0, is_whole=False, more=()):
    """Make a CSV of the parts wanted, whose times count `scale` a second."""
    number = round if is_whole else float
    lines = [",".join(["wav", "wrd", *columns])]
    for text, (offset, duration) in WANTED.items():
        times = {
            "begin": number(offset * scale),
            "end": number((offset + duration) * scale),
            "length": number(duration * scale),
            "seconds": duration,
        }
        cells = [str(times[kind]) for kind in columns.values()]
        lines.append(",".join(["long.wav", text, *cells]))
    return "\n".join([*lines, *more]) + "\n"


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"start": "begin", "end": "end"}, {}),
        ({"start": "begin", "stop": "end"}, {}),
        ({"START": "begin", " End_Time ": "end"}, {}),
        ({"start_time": "begin", "end_time": "end", "duration": "length"}, {}),
        ({"offset": "begin", "end": "end"}, {}),
        ({"offset": "begin", "duration": "length"}, {}),
        ({"offset": "begin", "length": "length"}, {}),
        ({"start_samples": "begin", "length_samples": "length"}, {"scale": RATE}),
        ({"begin": "begin", "duration_sec": "length"}, {}),
        ({"start_ms": "begin", "duration_ms": "length"}, {"scale": 1000}),
        ({"start_samples": "begin", "end_samples": "end"}, {"scale": RATE}),
        # SpeechBrain's, as it writes them, through pandas, and without durations
        (
            {"duration": "seconds", "start": "begin", "stop": "end"},
            {"scale": RATE, "is_whole": True},
        ),
        ({"duration": "seconds", "start": "begin", "stop": "end"}, {"scale": RATE}),
        ({"start": "begin", "stop": "end"}, {"scale": RATE, "is_whole": True}),
    ],
)
def test_a_segment_ends_where_its_row_does(prepare, columns, options):
    assert prepare(table_of(columns, **options)) == WANTED


def test_whole_seconds_are_no_samples(prepare):
    rows = "wav,wrd,start,stop\nlong.wav,one,0,1\nlong.wav,two,2,4\n"
    assert prepare(rows) == {"one": (0.0, 1.0), "two": (2.0, 2.0)}


def test_an_end_may_be_left_out(prepare):
    rows = "wav,wrd,start,end\nlong.wav,one,,1.5\nlong.wav,two,3,\n"
    assert prepare(rows) == {"one": (0.0, 1.5), "two": (3.0, 1.0)}


@pytest.mark.parametrize(
    ("columns", "cells", "complaint"),
    [
        (
            "start,stop",
            "40000,48000",
            "neither as seconds nor as samples: .* 4 s at 8",
        ),
        (
            "start,stop,duration",
            "0,2,1",
            "neither as .*: duration is 1 s, the rate 8",
        ),
        (
            "start,end,duration",
            "1,2,3",
            "to end, 2 s, are 1 s, but duration is 3 s",
        ),
        ("start,end", "2,1.5", "end is 1.5 s, but the utterance begins at 2 s"),
        ("start,end", "2,2", "end is 2 s, but the utterance begins at 2 s"),
        ("start,offset", "0.5,1", "start is 0.5 s, but offset 1 s; remove one"),
        ("start,end", "1,x", "end is 'x'.; expected a number from 0 on"),
        ("start,end", "1,-2", "end is '-2'"),
        ("start,end", "1,nan", "end is 'nan'"),
        ("start,end", "1,1e300", "longer than any recording"),
        ("start,end", "1,1:30", "end is '1:30'"),
        ("duration", "1e999", "duration is '1e999'"),
        ("duration", "1_000", "duration is '1_000'"),
        ("begin_time,end_time", "0,1", "column 'begin_time' may be a time, but not a"),
        ("segment_start,segment_end", "0,1", "column 'segment_\\w+' may be a time"),
        ("onset,offset", "0,1", "column 'onset' may be a time"),
        ("from,to", "0,1", "column 'from' may be a time"),
        ("xmin,xmax", "0,1", "column 'xmin' may be a time"),
        ("start,audio_length", "1,2", "column 'audio_length' may be a time"),
        ("Start,start", "1,2", "column 'Start' appears twice"),
        ("startTime,endTime", "0,1", "table.csv:1: column 'startTime' may be a time"),
        ("start,end", "0,2500", "end is 2500 s, .* 4 s long; write end_ms if millisec"),
        (
            "offset,duration",
            "8000,16000",
            "duration is 16000 s, .* offset_samples and duration_samples if samples",
        ),
        ("duration", "2500", "duration_ms if .*, or duration_samples if samples"),
    ],
)
def test_times_that_are_not_understood_are_refused(prepare, columns, cells, complaint):
    error = prepare(f"wav,wrd,{columns}\nlong.wav,one,{cells}\n")
    assert isinstance(error, str)
    assert re.search(complaint, error), error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", "wav,wrd,start,end,length\nlong.wav,one,0,1.5,33\n"),
        ("x.json", '{"a": {"wav": "long.wav", "words": "one", "duration": 1.5,%s}}'),
    ],
)
def test_a_length_counts_where_there_is_no_other_time(prepare, name, content):
    assert prepare(content.replace("%s", '"length": 33'), name) == {"one": (0.0, 1.5)}


def test_one_time_too_large_is_no_other_unit(prepare):
    rows = ["wav,wrd,duration", "long.wav,one,1.5", "long.wav,one,1.5"]
    assert prepare("\n".join([*rows, "long.wav,two,3000"])) == {"one": (0.0, 1.5)}


KEYS = '{"audio": "long.wav", "text": "one", "startTime": 1}'


def test_a_key_that_may_be_a_time_is_named_as_it_is_written(prepare):
    line = LINE % '"offset": 1'
    error = prepare(f"{line}\n{KEYS}\n", "x.jsonl")
    assert "x.jsonl:2: column 'startTime' may be a time" in error


UNREAD = [("t0", "t1"), ("von", "bis"), ("tier", "at"), ("Startzeit", "Ende")]


@pytest.mark.parametrize("names", UNREAD)
@pytest.mark.parametrize("write", [str, "0:0{}".format, "{}s".format])
def test_parts_of_a_file_whose_times_are_not_understood_are_refused(
    prepare, names, write
):
    rows = [f"long.wav\t{text}" for text in WANTED]
    for index, (offset, duration) in enumerate(WANTED.values()):
        rows[index] += f"\t{write(offset)}\t{write(offset + duration)}"
    error = prepare("\n".join(["\t".join(["wav", "wrd", *names]), *rows]), "x.tsv")
    first, second = names
    assert "x.tsv:2: 3 entries begin where" in error
    assert f"with different texts, though '{first}' and '{second}' differ" in error
    assert "call the time at which each begins start (or offset" in error
    assert f"now there are wav, wrd, {first}, {second}" in error


@pytest.mark.parametrize(
    "times",
    [
        '"duration": 1.%s',
        '"end": 1.%s',
        '"segment": [0.%s, 2]',
        '"times": {"von": 0.%s, "bis": 2}',
    ],
)
def test_parts_without_a_beginning_are_refused_in_json(prepare, times):
    lines = [
        f'{{"audio": "long.wav", "text": "{text}", {times % number}}}'
        for number, text in enumerate(WANTED, start=1)
    ]
    name = re.match(r'"(\w+)"', times)[1]
    assert f"though '{name}' differs" in prepare("\n".join(lines), "x.jsonl")


def test_a_file_transcribed_several_times_is_taken_with_a_warning(prepare, caplog):
    rows = "wav,wrd,by\nlong.wav,one,Ann\nlong.wav,won,Bob\n"
    assert prepare(rows) == {"one": (0.0, 4.0), "won": (0.0, 4.0)}
    [warning] = [each for each in caplog.messages if "entries begin" in each]
    assert "table.csv:2: 2 entries begin where" in warning
    assert "now there are wav, wrd, by" in warning


@pytest.mark.parametrize(
    "rows",
    [
        "wav,wrd,take\nlong.wav,one,1\nlong.wav, one,2\n",
        "wav,wrd,channel,t0\nboth.wav,one,0,1\nboth.wav,two,1,2\n",
        "wav,wrd,start,rank\nlong.wav,one,0,1\nlong.wav,two,0,2\n",
        "wav,wrd,start,rank\nlong.wav,one,,1\nlong.wav,two,1,2\n",
    ],
)
def test_a_file_may_stand_in_several_rows(prepare, folder, rows, caplog):
    soundfile.write(folder / "both.wav", np.ones((RATE, 2)) / 10, RATE)
    assert "one" in prepare(rows)
    assert "entries begin" not in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        "wav;wrd;start\r\nlong.wav;one, two;1\r\n",
        "sep=;\r\nwav;wrd;start\r\nlong.wav;one, two;1\r\n",
        '\ufeff"wav";"wrd";"start"\r\n"long.wav";"one, two";"1"\r\n\r\n;;\r\n',
        'wav\twrd\tstart\nlong.wav\t"one, two"\t1\n',
        '\n\nwav,wrd,start\nlong.wav,"one, two",1',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_tables_of_spreadsheets_are_read(prepare, content, encoding):
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    table = mark + content.removeprefix("\ufeff").encode(encoding)
    if encoding == "utf-8":
        table = content.encode()
    assert prepare(table) == {"one, two": (1.0, 3.0)}


def test_text_of_another_encoding_is_refused(prepare):
    error = prepare("wav,wrd\nlong.wav,für\n".encode("cp1252"))
    assert "table.csv: not UTF-8 text" in error
    assert "save it as UTF-8" in error


def test_what_may_be_seconds_or_samples_is_refused(prepare, folder):
    samples = np.zeros(RATE * 1000)
    soundfile.write(folder / "long.wav", samples, RATE)
    error = prepare("wav,wrd,start,stop\nlong.wav,one,0,900\n")
    assert "name them start and end if seconds, start_samples and end_samples" in error


def test_an_end_behind_the_file_names_offset_and_length(prepare):
    error = prepare("wav,wrd,offset,duration\nlong.wav,one,1000,2\n")
    assert "at 1000 s" in error
    assert "4 s long" in error


def test_evaluate_and_doctor_read_the_same_segments(lact_asr, folder, trained_run):
    table = folder / "table.csv"
    table.write_text(table_of({"start": "begin", "end": "end"}).replace("wrd", "text"))
    scores = folder / "scores.json"
    done = lact_asr(
        "evaluate", "--model", trained_run, "--data", table, "--json", scores
    )
    assert done.code == 0, done.err
    assert json.loads(scores.read_text())["audio_s"] == pytest.approx(3.25)
    done = lact_asr("doctor", "--data", table)
    assert done.code == 0
    assert "3 utterances, 3 tried" in done.out
    with open(table, "a") as stream:
        stream.write("long.wav,four,9,9.5\n")
    for command in (
        ["doctor", "--data", table],
        ["evaluate", "--model", trained_run, "--data", table],
    ):
        done = lact_asr(*command)
        assert done.code == 2
        assert "9 s" in done.out + done.err


SPEECHBRAIN = {
    "a": {"wav": "{data_root}/long.wav", "length": 4.0, "words": "one"},
    "b": {
        "wav": {"file": "{data_root}/long.wav", "start": 4000, "stop": 12000},
        "spk_id": 7,
        "words": "two",
    },
}


def test_json_of_speechbrain_is_read(prepare, lact_asr, folder):
    wanted = {"one": (0.0, 4.0), "two": (0.5, 1.0)}
    assert prepare(json.dumps(SPEECHBRAIN, indent=2), "train.json") == wanted
    assert prepare(json.dumps(SPEECHBRAIN), "train.json") == wanted
    done = lact_asr("doctor", "--data", folder / "train.json")
    assert done.code == 2
    assert "{data_root}" in done.out
    assert "--table" in done.out


@pytest.mark.parametrize(
    "path", ["$data_root/long.wav", "${data_folder}/long.wav", "file://{}/long.wav"]
)
def test_placeholders_and_addresses_are_paths(prepare, folder, path):
    written = path.replace("{}", str(folder)) if "file:" in path else path
    assert prepare(f"ID,wav,wrd\na,{written},one\n") == {"one": (0.0, 4.0)}


def test_audio_on_another_machine_is_refused(prepare):
    error = prepare("ID,wav,wrd\na,https://host/long.wav,one\n")
    assert "table.csv:2: audio_filepath is on another machine (https://host)" in error


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_a_manifest(prepare, indent):
    entries = [
        {"audio": "long.wav", "text": text, "offset": offset}
        for text, offset in (("a", 1), ("b", 2))
    ]
    wanted = {"a": (1.0, 3.0), "b": (2.0, 2.0)}
    assert prepare(json.dumps(entries, indent=indent), "train.json") == wanted
    packed = gzip.compress(json.dumps(entries).encode())
    assert prepare(packed, "train.json.gz") == wanted


LINE = '{"audio": "long.wav", "text": "one", %s}'


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("x.jsonl", "[" * 100_000, "x.jsonl:1: not a manifest line (nested"),
        (
            "x.jsonl",
            '{"a":' * 100_000,
            "x.jsonl:1: not a manifest line (nested",
        ),
        (
            "x.jsonl",
            LINE % '"duration": 1e308',
            "duration is 1e+308 s, longer than any",
        ),
        ("x.jsonl", LINE % f'"duration": {"9" * 400}', "duration is 99999999"),
        (
            "x.jsonl",
            LINE % f'"duration": {"9" * 5000}',
            "x.jsonl:1: not a manifest line",
        ),
        ("x.jsonl", LINE % '"duration": {}', "duration is {}"),
        ("x.jsonl", LINE % '"duration": []', "duration is []"),
        ("x.jsonl", LINE % '"duration": true', "duration is True"),
        ("x.jsonl", LINE % '"duration": NaN', "duration is nan"),
        ("x.jsonl", LINE % '"duration": -Infinity', "duration is -inf"),
        ("x.jsonl", LINE % '"offset": -1', "offset is -1"),
        ("x.jsonl", LINE % '"id": {}', "id is {}"),
        ("x.jsonl", LINE % '"channel": -1', "channel is -1"),
        ("x.jsonl", LINE % '"text": "two"', "'text' appears twice in an object"),
        ("x.jsonl", '{"audio": "a\\u0000.wav", "text": "one"}', "holds a NUL"),
        ("x.jsonl", '{"audio": "long.wav", "text": "\\ud800"}', "is no Unicode text"),
        ("x.jsonl", '{"audio": " ", "text": "one"}', "audio_filepath is empty"),
        ("x.jsonl", '{"audio": "%s", "text": "a"}' % ("a" * 300), "longer than a path"),
        ("x.jsonl", "[1]", "x.jsonl:1: not a manifest line (no object)"),
        ("x.json", '{"a": {"wav": "long.wav"}, "a": {}}', "'a' appears twice"),
        ("x.jsonl.gz", "not packed", "not packed by gzip, or cut off"),
        (
            "x.csv.gz",
            gzip.compress(b"wav,wrd\n" * 99, mtime=0)[:30],
            "not packed by gzip, or cut",
        ),
        (
            "x.tsv",
            "wav\twrd\tend\nlong.wav\tone\n",
            "x.tsv:2: not a manifest line (end is",
        ),
        ("x.tsv", "wav\twrd\nlong.wav\tone\ttwo\n", "x.tsv:2: more cells than"),
        ("x.tsv", "wav\twrd\nlong\0.wav\tone\n", "NUL"),
        ("x.csv", 'wav,wrd\nlong.wav,"one\nlong.wav,two\n', "not a row of a table"),
        ("x.csv", "wav,wrd,wrd\nlong.wav,one,two\n", "column 'wrd' appears twice"),
        (
            "x.csv",
            "id,wav,wrd\n7,long.wav,a\n7,long.wav,b\n",
            "utterance 7 appears twice",
        ),
    ],
)
def test_a_fault_is_one_line(prepare, name, content, complaint):
    error = prepare(content, name)
    assert isinstance(error, str)
    assert complaint in error


def test_marks_and_ends_of_lines_may_be_mixed(prepare):
    rows = "\ufeffwav\twrd\toffset\r\nlong.wav\tone\t1\r\n\r\n\t\t\nlong.wav\ttwo\t2\n"
    assert prepare(rows, "x.tsv") == {"one": (1.0, 3.0), "two": (2.0, 2.0)}
    lines = "\ufeff" + LINE % '"offset": 1' + "\r\n" + LINE % '"offset": "2"' + "\r"
    assert prepare(lines.replace("one", "two", 1), "x.jsonl") == {
        "two": (1.0, 3.0),
        "one": (2.0, 2.0),
    }


def test_a_folder_is_no_manifest(lact_asr, folder):
    done = lact_asr("prepare", "folder", folder, folder / "out", "--table", folder)
    assert done.code == 2
    assert "a folder; give a manifest" in done.err


def test_an_id_twice_stops_evaluate(lact_asr, folder, trained_run):
    manifest = folder / "twice.jsonl"
    manifest.write_text((LINE % '"id": "u7"' + "\n") * 2)
    done = lact_asr("evaluate", "--model", trained_run, "--data", manifest)
    assert done.code == 2
    assert "twice.jsonl: utterance u7 appears twice; make ids unique" in done.err
