"""Corpora through the command line: by part, resumed, from manifests and shards."""

import json
import shutil
import sys

import numpy
import pytest
import soundfile
import torch

from lact_modules.cli.terminal import output
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.inference.transcriber import Transcriber


@pytest.fixture
def rows(audio_folder):
    """Return five files, and three segments of the longest, without texts."""
    paths = sorted(audio_folder.iterdir())
    longest = max(paths, key=lambda path: path.stat().st_size)
    rows = [{"id": path.stem, "audio_filepath": str(path)} for path in paths[:5]]
    return rows + [
        {"id": f"cut-{n}", "wav": str(longest), "offset": n * 0.5, "duration": 0.5}
        for n in range(3)
    ]


@pytest.fixture
def manifest(rows, tmp_path):
    return write_rows(tmp_path / "corpus.jsonl", rows)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def transcribe(lact_asr, trained_run, out):
    def run(*arguments, out=out, model=trained_run):
        options = "--model", model, "--output", out
        return lact_asr("transcribe", *options, *arguments)

    return run


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_parts(folder, kind="part"):
    return {
        path.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob(f"{kind}-*.jsonl"))
    }


def texts_of(folder):
    """Return texts by id, each of which stands in one part alone."""
    lines = [line for lines in read_parts(folder).values() for line in lines]
    texts = {line["id"]: line["text"] for line in lines}
    assert len(texts) == len(lines)
    return texts


def test_parts_hold_the_hypotheses_of_evaluate(
    transcribe, lact_asr, trained_run, rows, manifest, out, tmp_path
):
    finished = transcribe("--manifest", manifest, "--part-size", 3)
    assert (finished.code, finished.out) == (0, "")
    summary, folder = finished.err.splitlines()
    assert summary.startswith("8 transcribed, 0 failed; ")
    assert folder == f"{out}: 3 parts, 0 from before"
    assert [len(lines) for lines in read_parts(out).values()] == [3, 3, 2]
    scores = tmp_path / "scores.json"
    labelled = write_rows(
        tmp_path / "labelled.jsonl", [{**row, "text": "A"} for row in rows]
    )
    options = "--model", trained_run, "--data", labelled, "--json", scores
    assert lact_asr("evaluate", *options).code == 0
    utterances = json.loads(scores.read_text())["utterances"]
    assert texts_of(out) == {each["id"]: each["hyp"] for each in utterances}


def test_files_give_the_lines_that_they_give_without_parts(
    transcribe, lact_asr, trained_run, audio_folder, out, lm
):
    search = "--beam-size", 4, "--lm", lm
    options = "--model", trained_run, "--format", "json", *search
    plain = lact_asr("transcribe", audio_folder, *options).out.splitlines()
    assert transcribe(audio_folder, "--part-size", 4, *search).code == 0
    lines = [line for lines in read_parts(out).values() for line in lines]
    for line in lines:
        assert line.pop("id") == line["file"]
        assert line.pop("duration") > 0
    assert lines == [*map(json.loads, plain)]


def test_a_part_is_a_manifest(transcribe, manifest, rows, out):
    transcribe("--manifest", manifest)
    [part] = out.glob("part-*.jsonl")
    utterances = read_manifest(part)
    assert {u.id: u.text for u in utterances} == texts_of(out)
    assert [u.offset for u in utterances] == [row.get("offset", 0.0) for row in rows]
    assert all(u.duration > 0 for u in utterances)


def test_a_table_without_texts(transcribe, rows, out, tmp_path):
    table = tmp_path / "corpus.csv"
    lines = [f"{row['id']},{row['audio_filepath']}" for row in rows[:5]]
    table.write_text("\n".join(["id,wav", *lines]) + "\n")
    assert transcribe("--manifest", table).code == 0
    assert [*texts_of(out)] == [row["id"] for row in rows[:5]]


def test_the_channel_of_a_manifest_or_of_the_command(transcribe, out, tmp_path):
    noise = 0.1 * torch.randn(16000, 2, generator=torch.Generator().manual_seed(0))
    soundfile.write(tmp_path / "stereo.wav", noise.numpy(), 16000)
    for n in range(2):
        soundfile.write(tmp_path / f"{n}.wav", noise[:, n].numpy(), 16000)
    rows = [{"id": str(n), "wav": "stereo.wav", "channel": n} for n in range(2)]
    both = write_rows(tmp_path / "both.jsonl", rows)
    assert transcribe("--manifest", both).code == 0
    one = tmp_path / "one"
    assert transcribe("--manifest", both, "--channel", 1, out=one).code == 0
    file = tmp_path / "file"
    assert transcribe(tmp_path / "1.wav", "--part-size", 1, out=file).code == 0
    [text] = texts_of(file).values()
    assert texts_of(one) == {"0": text, "1": text}
    assert texts_of(out)["1"] == text
    refused = transcribe("--manifest", both, "--channel", "each", out=tmp_path / "y")
    assert refused.code == 2
    assert "a manifest has its own channels" in refused.err


def test_a_stopped_run_continues_where_it_was(
    transcribe, manifest, out, tmp_path, monkeypatch
):
    command = "--manifest", manifest, "--part-size", 3
    assert transcribe(*command, out=tmp_path / "whole").code == 0
    transcribe_batch, calls = Transcriber.transcribe, []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise SystemExit(143)
        return transcribe_batch(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Transcriber, "transcribe", stop)
        assert transcribe(*command).code == 143
    assert [*read_parts(out)] == ["part-000000.jsonl", "part-000001.jsonl"]
    times = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    resumed = transcribe(*command)
    assert f"{out}: 3 parts, 2 from before" in resumed.err
    assert resumed.err.startswith("2 transcribed")
    assert times == {path: path.stat().st_mtime_ns for path in times}
    assert read_parts(out) == read_parts(tmp_path / "whole")
    assert not [*out.glob("*.part")]


def test_what_is_done_needs_no_model(transcribe, manifest, out, tmp_path):
    assert transcribe("--manifest", manifest).code == 0
    done = transcribe("--manifest", manifest, model=tmp_path / "gone")
    assert done.code == 0
    assert "1 parts, 1 from before" in done.err


def test_failures_are_reported_again_when_a_run_continues(
    transcribe, rows, out, tmp_path
):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"not audio")
    rows[1] = {"id": "bad", "wav": str(broken), "offset": 0.5}
    manifest = write_rows(tmp_path / "corpus.jsonl", rows)
    command = "--manifest", manifest, "--part-size", 3
    finished = transcribe(*command)
    assert finished.code == 2
    assert f"not transcribed: {broken}: " in finished.err
    assert "7 transcribed, 1 failed" in finished.err
    [(name, [entry])] = read_parts(out, "failed").items()
    assert name == "failed-000000.jsonl"
    assert (entry["id"], entry["file"]) == ("bad", str(broken))
    assert len(read_parts(out)[name.replace("failed", "part")]) == 2
    again = transcribe(*command)
    assert again.code == 2
    assert f"not transcribed: {broken}: {entry['error'].split(': ', 1)[1]}" in again.err
    # mended, and that part alone is wanted again
    shutil.copy(rows[0]["audio_filepath"], broken)
    rows[1]["offset"] = 0.0
    (out / name.replace("failed", "part")).unlink()
    broken.write_bytes(b"")
    soundfile.write(broken, 0.1 * numpy.ones(16000), 16000)
    mended = transcribe(*command)
    assert (mended.code, read_parts(out, "failed")) == (0, {})
    assert len(texts_of(out)) == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--beam-size", 4], "beam_size 0, not 4"),
        (["--part-size", 2], "num_parts 3, not 4"),
        (["--precision", "bf16"], 'precision "fp32", not "bf16"'),
    ],
)
def test_parts_of_something_else_are_refused(
    transcribe, manifest, out, change, message
):
    command = "--manifest", manifest, "--part-size", 3
    assert transcribe(*command).code == 0
    refused = transcribe(*command, *change)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"{out}/parts.json: parts with {message}; " in refused.err


def test_another_order_of_the_manifest_is_refused(transcribe, manifest, rows):
    assert transcribe("--manifest", manifest).code == 0
    write_rows(manifest, rows[::-1])
    refused = transcribe("--manifest", manifest)
    assert refused.code == 2
    assert "parts_sha256" in refused.err


def test_a_model_that_has_changed_is_refused(transcribe, manifest, out, run_copy):
    command = "--manifest", manifest, "--part-size", 3
    assert transcribe(*command, model=run_copy).code == 0
    (out / "part-000001.jsonl").unlink()
    options = "--avg-checkpoints", 1
    plan = json.loads((out / "parts.json").read_text())
    (out / "parts.json").write_text(json.dumps({**plan, "avg_checkpoints": 1}))
    refused = transcribe(*command, *options, model=run_copy)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "a model that has changed" in refused.err
    assert not (out / "part-000001.jsonl").exists()


def test_a_folder_is_all_audio_below(transcribe, split, out, tmp_path):
    assert transcribe("--manifest", split).code == 0
    assert transcribe(split, "--part-size", 500, out=tmp_path / "files").code == 0
    assert len(texts_of(out)) == 3
    assert read_parts(out) == read_parts(tmp_path / "files")


@pytest.fixture
def shards(lact_asr, rows, tmp_path):
    """Write a few utterances into each shard."""
    pytest.importorskip("webdataset")
    manifest = write_rows(
        tmp_path / "labelled.jsonl", [{**row, "text": "A"} for row in rows]
    )
    folder = tmp_path / "shards"
    options = "--keep-order", "--size-mb", 0.1
    assert lact_asr("shard", manifest, folder, *options).code == 0
    return folder


def test_shards_give_what_their_manifest_gives(
    transcribe, shards, manifest, out, tmp_path
):
    assert transcribe("--manifest", manifest).code == 0
    by_shard = tmp_path / "by_shard"
    assert transcribe("--manifest", shards, out=by_shard).code == 0
    num_shards = len([*shards.glob("*.tar")])
    assert len(read_parts(by_shard)) == num_shards > 1
    assert texts_of(by_shard) == texts_of(out)
    listed = tmp_path / "listed"
    assert transcribe("--manifest", f"{shards}/shard-*.tar", out=listed).code == 0
    assert read_parts(listed) == read_parts(by_shard)


def test_a_damaged_shard_is_reported_and_others_are_written(transcribe, shards, out):
    first = shards / "shard-000000.tar"
    content = first.read_bytes()
    # as long as before; the marks of where files end are gone
    first.write_bytes(content[: len(content) // 2] + b"\xff" * (len(content) // 2))
    finished = transcribe("--manifest", shards)
    assert finished.code == 2
    assert f"not transcribed: {first}: " in finished.err
    written = read_parts(out)
    assert "part-000000.jsonl" not in written
    assert len(written) == len([*shards.glob("*.tar")]) - 1


def test_long_recordings_are_parts_of_their_own(
    transcribe, audio_folder, out, tmp_path
):
    path = str(min(audio_folder.iterdir()))
    rows = [
        {"id": str(n), "wav": path, "duration": 5 * 3600.0, "offset": 0.0}
        for n in range(2)
    ]
    transcribe("--manifest", write_rows(tmp_path / "corpus.jsonl", rows))
    assert len([*out.glob("part-*.jsonl")]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "--manifest", "x.jsonl"], "--manifest x.jsonl: omit the files"),
        (["a.wav", "--part-size", 1, "--format", "srt"], "--format srt"),
        (["a.wav", "--workers", 2], "--workers: give --engine ray too"),
        (["--part-size", 1], "no audio files"),
        (["--manifest", "gone.jsonl"], "gone.jsonl: no such manifest"),
    ],
)
def test_options_that_do_not_fit(transcribe, arguments, message, out):
    refused = transcribe(*arguments)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert message in refused.err
    assert not out.exists()


def test_parts_need_a_folder(
    transcribe, lact_asr, trained_run, manifest, out, tmp_path
):
    options = "transcribe", "--model", trained_run, "--manifest", manifest
    assert "--output: give a folder" in lact_asr(*options).err
    # what was refused leaves nothing that later runs would have to agree with
    assert transcribe("--manifest", manifest, "--lm", tmp_path / "gone.arpa").code == 2
    assert not out.exists()
    file = tmp_path / "file"
    file.touch()
    refused = transcribe("--manifest", manifest, out=file)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"{file}: a file" in refused.err


def test_continual_training_does_not_go_by_part(transcribe, manifest):
    ttt = "--ttt", "suta", "--ttt-mode", "continual"
    refused = transcribe("--manifest", manifest, *ttt)
    assert refused.code == 2
    assert "--ttt-mode continual: parts are transcribed apart" in refused.err


def test_a_log_shows_the_progress(transcribe, manifest, monkeypatch):
    monkeypatch.setattr(output, "_SECONDS_BETWEEN_LINES", 0)
    finished = transcribe("--manifest", manifest, "--part-size", 3)
    lines = finished.err.splitlines()
    assert [line.split(",")[0] for line in lines[:3]] == [
        f"{n} of 8 utterances" for n in (3, 6, 8)
    ]


def test_says_to_install_ray(transcribe, manifest, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    refused = transcribe("--manifest", manifest, "--engine", "ray")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "pip install 'lact-asr[ray]'" in refused.err
