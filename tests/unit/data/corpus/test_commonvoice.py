import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lact_modules.data.corpus import inspection
from lact_modules.data.corpus.commonvoice import prepare_commonvoice
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.errors import InputError


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "cv" / "en"
    (folder / "clips").mkdir(parents=True)
    return folder


@pytest.fixture
def write_clip(corpus):
    def write(name, seconds=1.0, rate=48000):
        samples = 0.1 * np.random.default_rng(0).normal(size=round(seconds * rate))
        path = corpus / "clips" / name
        soundfile.write(path, samples, rate)
        return path

    return write


@pytest.fixture
def write_table(corpus):
    """Write lines of cells below a line of columns."""

    def write(split, *rows, columns=("client_id", "path", "sentence", "up_votes")):
        table = "\n".join("\t".join(cells) for cells in (columns, *rows))
        (corpus / f"{split}.tsv").write_text(table + "\n", encoding="utf-8")

    return write


@pytest.fixture
def prepare(corpus, tmp_path):
    """Prepare one split; give what is usable, and what is not by reason."""

    def run(split="train", **options):
        manifests = prepare_commonvoice(corpus, tmp_path / "out", [split], **options)
        skipped = json.loads(manifests[split].with_suffix(".skipped.json").read_text())
        return read_manifest(manifests[split]), skipped

    return run


def test_clips_of_any_rate_and_format_become_a_manifest(
    prepare, write_clip, write_table, corpus
):
    write_clip("b.mp3", 1.5, rate=44100)
    write_clip("a.mp3", 1.0, rate=32000)
    write_clip("c.wav", 0.5, rate=8000)
    write_clip("d.flac", 0.5, rate=22050)
    write_table(
        "train",
        ("s1", "b.mp3", "Is it?", "2"),
        ("s2", "a", "It\u2019s me.", "2"),
        # converted since
        ("s2", "c.mp3", "Here", "2"),
        ("", "d.flac", "There", "2"),
    )
    utterances, skipped = prepare()
    assert [(u.id, u.text, u.speaker) for u in utterances] == [
        ("a", "IT'S ME", "s2"),
        ("b", "IS IT", "s1"),
        ("c", "HERE", "s2"),
        ("d", "THERE", ""),
    ]
    assert [u.duration for u in utterances] == pytest.approx(
        [1, 1.5, 0.5, 0.5], abs=0.1
    )
    assert utterances[0].audio_filepath == str(corpus / "clips" / "a.mp3")
    assert skipped == {}


def test_only_path_and_sentence_are_needed(prepare, write_clip, write_table):
    write_clip("a.mp3")
    write_table("train", ("Yes", "a.mp3"), columns=("sentence", "path"))
    [utterance], _ = prepare()
    assert (utterance.text, utterance.speaker) == ("YES", "")


def test_cells_are_taken_as_they_are(prepare, write_clip, write_table, corpus):
    for name in "abcd":
        write_clip(f"{name}.mp3")
    write_table(
        "train",
        ("x", "a.mp3", '"Quoted" at first', "2"),
        ("x", "b.mp3", 'an "open quote', "2"),
        ("x", "c.mp3", "tab\tinside", "2"),
        ("x", "d.mp3", "line\u2028and carriage\rreturn", "2"),
    )
    table = corpus / "train.tsv"
    # as from another system, with a mark at the beginning
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))
    utterances, _ = prepare()
    assert [u.text for u in utterances] == [
        "QUOTED AT FIRST",
        "AN OPEN QUOTE",
        "TAB INSIDE",
        "LINE AND CARRIAGE RETURN",
    ]


def test_unusable_clips_are_listed_by_reason(
    prepare, write_clip, write_table, corpus, caplog
):
    for name in ("good", "broken", "cut", "digits", "empty"):
        write_clip(f"{name}.mp3")
    (corpus / "clips" / "broken.mp3").write_bytes(b"no audio at all" * 99)
    write_clip("cut.flac", 5.0)
    (corpus / "clips" / "cut.mp3").unlink()
    cut = corpus / "clips" / "cut.flac"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    write_table(
        "train",
        ("x", "good.mp3", "Good", "2"),
        ("x", "good.mp3", "Good again", "2"),
        ("x", "broken.mp3", "Broken", "2"),
        ("x", "cut.flac", "Cut", "2"),
        ("x", "gone.mp3", "Gone", "2"),
        ("x", "digits.mp3", "Room 101", "2"),
        ("x", "empty.mp3", "?", "2"),
        ("x", "short"),
    )
    utterances, skipped = prepare()
    assert [u.id for u in utterances] == ["good"]
    assert {reason: sorted(details) for reason, details in skipped.items()} == {
        "listed twice": ["good"],
        "unusable audio": ["broken", "cut"],
        "missing audio": ["gone"],
        "digits or symbols": ["digits"],
        "empty transcript": ["empty", "short"],
    }
    assert "'01'" in skipped["digits or symbols"]["digits"]
    assert "train.tsv: 2 of 8 utterances skipped, unusable audio: broken, cut" in (
        caplog.text
    )


def test_durations_and_rates_are_limited_on_request(prepare, write_clip, write_table):
    for name, seconds in (("a", 0.3), ("b", 1), ("c", 2), ("d", 2), ("e", 4)):
        write_clip(f"{name}.mp3", seconds)
    sentences = {"a": "hi", "b": "ten chars.", "c": "I", "d": "x " * 50, "e": "long"}
    write_table("train", *(("", f"{k}.mp3", v, "") for k, v in sentences.items()))
    limits = {"min_duration": 0.5, "max_duration": 3, "min_rate": 2, "max_rate": 20}
    utterances, skipped = prepare(**limits)
    assert [u.id for u in utterances] == ["b"]
    assert {reason: [*details] for reason, details in skipped.items()} == {
        "too short": ["a"],
        "too long": ["e"],
        "too few characters a second": ["c"],
        "too many characters a second": ["d"],
    }
    utterances, skipped = prepare(**limits, limited_splits=["other"])
    assert len(utterances) == 5
    assert skipped == {}


def test_what_is_validated_lacks_what_is_tested(prepare, write_clip, write_table):
    for name in ("a", "b", "c"):
        write_clip(f"{name}.mp3")
    rows = {name: ("", f"{name}.mp3", name, "") for name in "abc"}
    write_table("validated", *rows.values())
    assert len(prepare("validated")[0]) == 3
    write_table("dev", rows["a"])
    write_table("test", rows["b"])
    utterances, skipped = prepare("validated")
    assert [u.id for u in utterances] == ["c"]
    assert skipped == {"in dev.tsv": {"a": "a"}, "in test.tsv": {"b": "b"}}


def test_clips_in_another_language_are_left_out(prepare, write_clip, write_table):
    columns = ("path", "sentence", "locale")
    names = [write_clip(f"{name}.flac").name for name in "abc"]
    named = write_clip("common_voice_de_1.flac").name
    rows = zip(names, ("eins", "one", "two"), ("de", "en", ""), strict=True)
    write_table("train", *rows, (named, "zwei", ""), columns=columns)
    found, skipped = prepare(language="en")
    assert [each.text for each in found] == ["ONE", "TWO"]
    [(reason, left_out)] = skipped.items()
    assert reason == "in de, where --language is en"
    assert len(left_out) == 2
    found, skipped = prepare(language="de")
    assert [each.text for each in found] == ["EINS", "TWO", "ZWEI"]
    with pytest.raises(InputError, match="in en, where --language is zh-CN"):
        write_table("train", (names[1], "one", "en"), columns=columns)
        prepare(language="zh-CN")


@pytest.mark.parametrize("locale", ["zh-TW", "zh-CN", "zh", ""])
def test_a_region_is_no_other_language(prepare, write_clip, write_table, locale):
    row = (write_clip("a.flac").name, "你好", locale)
    write_table("train", row, columns=("path", "sentence", "locale"))
    found, skipped = prepare(language="zh-CN")
    assert (len(found), skipped) == (1, {})


def test_unchanged_split_is_not_decoded_again(
    prepare, write_clip, write_table, monkeypatch
):
    decoded = []

    def measure_audio(path, *part):
        decoded.append(Path(path).name)
        return 1.0

    monkeypatch.setattr(inspection, "measure_audio", measure_audio)
    write_clip("a.mp3")
    write_table("train", ("", "a.mp3", "one", ""), ("", "b.mp3", "two", ""))
    for _ in range(2):
        prepare()
    assert decoded == ["a.mp3"]
    write_clip("b.mp3")
    assert len(prepare()[0]) == 2
    write_table("train", ("", "a.mp3", "eleven", ""))
    assert [u.text for u in prepare()[0]] == ["ELEVEN"]
    for options in (
        {"text_rules": {"letter_case": "lower"}},
        {"language": "he"},
        {"max_rate": 20},
    ):
        decoded.clear()
        prepare(**options)
        assert decoded == ["a.mp3"]


def test_folder_above_the_language_will_do(corpus, write_clip, write_table, tmp_path):
    write_clip("a.mp3")
    write_table("dev", ("", "a.mp3", "one", ""))
    out = tmp_path / "out"
    manifests = prepare_commonvoice(corpus.parent, out, ["dev"], language="en")
    assert manifests == {"dev": out / "dev.jsonl"}
    with pytest.raises(InputError, match="no folder 'clips' there or in 'de' there"):
        prepare_commonvoice(corpus.parent, out, ["dev"], language="de")


def test_missing_tables_and_columns_are_named(prepare, write_table, corpus):
    with pytest.raises(InputError, match=r"train\.tsv: no such split; .* has: none$"):
        prepare()
    write_table("dev", ("", "a.mp3", "one", ""))
    with pytest.raises(InputError, match=r"train\.tsv: no such split; .* has: dev$"):
        prepare()
    write_table("train", columns=("path", "text"))
    with pytest.raises(InputError, match="no column 'sentence'; it has: path, text"):
        prepare()
    write_table("train")
    with pytest.raises(InputError, match=r"train\.tsv: lists no clips"):
        prepare()
    with pytest.raises(InputError, match=r"dev\.tsv: none of the 1 utterances is"):
        prepare("dev")
    (corpus / "train.tsv").write_bytes(b"path\tsentence\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"train\.tsv: not UTF-8"):
        prepare()
