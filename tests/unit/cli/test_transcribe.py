import io
import json
import os
import re
import shutil
import sys

import numpy
import pytest
import soundfile
import torch

from lact_modules.encoders import compilation
from lact_modules.inference.transcriber import Transcriber
from tests.audio_files import encode, of_unknown_length, with_size


@pytest.fixture
def paths(audio_folder):
    return sorted(audio_folder.iterdir())[:3]


@pytest.fixture
def transcribe(lact_asr, trained_run):
    def run(*arguments, stdin=""):
        return lact_asr("transcribe", "--model", trained_run, *arguments, stdin=stdin)

    return run


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.wav"
    path.write_bytes(b"not audio")
    return path


def test_one_file_prints_its_text_alone(transcribe, paths):
    finished = transcribe(paths[0])
    assert finished.code == 0
    assert re.fullmatch(r"[ABCD ]+\n", finished.out)
    assert re.fullmatch(
        r"1 transcribed, 0 failed; 0\.3 s of audio in .* \(real-time factor .*\)\n",
        finished.err,
    )


def test_several_files_print_their_names_too(transcribe, paths):
    lines = transcribe(*paths).out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(path) for path in paths]
    assert lines[1].split("\t")[1] + "\n" == transcribe(paths[1]).out


def test_a_line_break_in_a_name_breaks_no_line(transcribe, paths, tmp_path):
    odd, missing = tmp_path / "a\nb\tc.wav", tmp_path / "d\ne.wav"
    odd.write_bytes(paths[0].read_bytes())
    missing.write_text("")
    finished = transcribe(paths[0], odd, missing)
    lines = finished.out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        str(paths[0]),
        f"{tmp_path}/a\\nb\\tc.wav",
    ]
    assert f"{tmp_path}/d\\ne.wav" in finished.err
    assert finished.err.count("\n") == 2


def test_folder_and_stdin_give_what_names_give(transcribe, audio_folder):
    every = sorted(audio_folder.iterdir())
    by_name = transcribe(*every)
    listed = "".join(f"{path}\n" for path in every)
    assert transcribe(audio_folder).out == by_name.out
    assert transcribe("-", stdin=listed).out == by_name.out


def test_text_does_not_depend_on_the_batch_size(transcribe, audio_folder):
    outputs = {transcribe(audio_folder, "--batch-size", n).out for n in (1, 7, 32)}
    assert len(outputs) == 1


def test_json(transcribe, paths):
    lines = transcribe(*paths, "--format", "json").out.splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["file"] for entry in entries] == [str(path) for path in paths]
    for entry in entries:
        words = [word["word"] for word in entry["words"]]
        assert entry["text"] == " ".join(words)
        assert all(word["start"] < word["end"] for word in entry["words"])


def test_ctm(transcribe, paths):
    for line in transcribe(*paths, "--format", "ctm").out.splitlines():
        assert re.fullmatch(r"noise-\d 1 \d+\.\d\d \d+\.\d\d [ABCD]+", line)


@pytest.mark.parametrize(("name", "start"), [("srt", "1\n00:"), ("vtt", "WEBVTT\n\n")])
def test_captions_of_several_files(transcribe, paths, tmp_path, name, start):
    assert transcribe(paths[0], "--format", name).out.startswith(start)
    refused = transcribe(*paths, "--format", name)
    assert refused.code == 2
    assert "--output" in refused.err
    assert transcribe(*paths, "--format", name, "--output", tmp_path).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"noise-{index}.{name}" for index in range(3)
    ]
    first = (tmp_path / f"noise-0.{name}").read_text()
    assert first == transcribe(paths[0], "--format", name).out


def test_captions_that_would_overwrite_each_other(transcribe, tmp_path):
    names = [tmp_path / "a" / "x.wav", tmp_path / "b" / "x.wav"]
    refused = transcribe(*names, "--format", "srt", "--output", tmp_path)
    assert refused.code == 2
    assert "x.srt" in refused.err


def test_output_file(transcribe, paths, tmp_path):
    output = tmp_path / "new" / "out.txt"
    finished = transcribe(*paths, "--output", output)
    assert (finished.code, finished.out) == (0, "")
    assert output.read_text() == transcribe(*paths).out


def test_stereo_at_8_khz(transcribe, tmp_path):
    path = tmp_path / "stereo.ogg"
    soundfile.write(path, 0.1 * torch.randn(8000, 2).numpy(), 8000)
    finished = transcribe(path)
    assert finished.code == 0
    assert "1.0 s of audio" in finished.err


def test_bad_files_are_listed_and_the_others_written(
    transcribe, paths, broken, tmp_path
):
    truncated = tmp_path / "truncated.flac"
    truncated.write_bytes(paths[0].read_bytes()[:2000])
    missing = tmp_path / "missing.wav"
    files = [paths[0], broken, paths[1], truncated, missing]
    finished = transcribe(*files, "--output", tmp_path / "out.txt")
    assert finished.code == 2
    *failures, summary = finished.err.splitlines()
    assert summary.startswith("2 transcribed, 3 failed;")
    for failure, path in zip(failures, [broken, truncated, missing], strict=True):
        assert failure.startswith(f"not transcribed: {path}: ")
    good = transcribe(*paths[:2]).out
    assert (tmp_path / "out.txt").read_text() == good


def test_nothing_is_written_where_nothing_could_be_read(transcribe, broken, tmp_path):
    finished = transcribe(broken, "--output", tmp_path / "out.txt")
    assert finished.code == 2
    assert list(tmp_path.iterdir()) == [broken]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}"], "no audio below"),
        (["-"], "no audio files"),
        (["{audio}", "--output", "{audio}/out.txt"], "folder cannot be made"),
        (["{audio}", "--lm", "{tmp}/lm.arpa"], "beam"),
        (["{audio}", "--beam-size", "5", "--lm", "{tmp}/lm.arpa"], "lm.arpa"),
        (["{audio}", "--device", "abacus"], "device 'abacus'"),
        (["{audio}", "--device", "meta"], "device 'meta'"),
        (["{audio}", "--precision", "int8"], "precision 'int8'"),
        (["{audio}", "--precision", "fp16", "--device", "cpu"], "needs a GPU"),
        (
            ["{audio}", "--model", "{tmp}"],
            "{tmp}: no model: neither a run's hyperparams",
        ),
        (
            ["{audio}", "--model", ""],
            ": no model: neither a run's hyperparams.yaml nor",
        ),
        (["{audio}", "--model", "{tmp}/missing"], "no such folder"),
    ],
)
def test_a_fault_is_one_line(transcribe, paths, tmp_path, arguments, message):
    filled = [a.format(tmp=tmp_path, audio=paths[0]) for a in arguments]
    finished = transcribe(*filled)
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.count("\n") == 1
    assert message.format(tmp=tmp_path) in finished.err
    assert os.listdir(tmp_path) == []


def test_compiled_blocks_recognize_the_same(transcribe, paths, monkeypatch, caplog):
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    finished = transcribe(*paths, "--compile")
    assert finished.code == 0
    assert "compile: graph 1" in caplog.text
    assert finished.out == transcribe(*paths).out


@pytest.mark.parametrize("options", [("--ttt", "lact"), ("--chunk", 0.32)])
def test_what_is_not_compiled(transcribe, paths, options):
    finished = transcribe(paths[0], "--compile", *options)
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.count("\n") == 1
    assert "compile: " in finished.err
    assert options[0] in finished.err or "chunks" in finished.err


def test_chunks(lact_asr, streaming_run, paths, tmp_path):
    seconds = torch.linspace(0, 61, 61 * 8000)
    long = tmp_path / "long.wav"
    soundfile.write(long, (seconds.sin() * torch.randn(61 * 8000) / 10).numpy(), 8000)
    command = ("transcribe", "--model", streaming_run, *paths, long)
    finished = lact_asr(*command, "--chunk", 0.32, "--left", 1)
    assert finished.code == 0
    assert "4 transcribed" in finished.err
    transcriber = Transcriber.from_folder(
        streaming_run, chunk_seconds=0.32, left_seconds=1.0
    )
    outcomes = transcriber.transcribe_files([*paths, long])
    lines = [f"{outcome.source}\t{outcome.result.text}" for outcome in outcomes]
    assert finished.out.splitlines() == lines
    assert finished.out != lact_asr(*command).out


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--left", 1), "left 1.0 s: needs a chunk"),
        (("--chunk", 0), "chunks of 0.0 s"),
        (("--chunk", 0.32, "--ttt", "lact"), "--ttt"),
    ],
)
def test_chunks_that_cannot_be(transcribe, tmp_path, options, fault):
    missing = tmp_path / "missing.wav"
    finished = transcribe(missing, *options)
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.count("\n") == 1
    assert fault in finished.err


def test_a_hostile_export_runs_nothing(lact_asr, trained_run, paths, tmp_path):
    lact_asr("export", trained_run, tmp_path / "export")
    marker = tmp_path / "marker"
    config = json.loads((tmp_path / "export" / "config.json").read_text())
    config["model"] = {"class": "os.system", "arguments": [f"touch {marker}"]}
    (tmp_path / "export" / "config.json").write_text(json.dumps(config))
    finished = lact_asr("transcribe", "--model", tmp_path / "export", paths[0])
    assert finished.code == 2
    assert "'os.system' may not be built" in finished.err
    assert finished.err.count("\n") == 1
    assert not marker.exists()


def test_rescoring_chooses_what_the_language_model_likes(transcribe, paths, lm):
    words = {"first": ("--beam-size", 20), "rescored": ("--beam-size", 20)}
    words["rescored"] += ("--rescore", lm, "--rescore-weight", 20)
    found = {}
    for name, options in words.items():
        finished = transcribe(*paths, *options, "--format", "json")
        assert finished.code == 0
        found[name] = [json.loads(line) for line in finished.out.splitlines()]
    assert found["first"] != found["rescored"]
    for line in found["rescored"]:
        assert " ".join(word["word"] for word in line["words"]) == line["text"]
    assert transcribe(*paths, "--rescore", lm).code == 2


@pytest.fixture
def call(audio_folder, tmp_path):
    """Join three noises, each a channel, in one file; and each in its own."""
    paths = sorted(audio_folder.iterdir())[1:4]
    sounds = [torch.from_numpy(soundfile.read(path)[0]) for path in paths]
    channels = torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True)
    path = tmp_path / "call.wav"
    soundfile.write(path, channels.T.numpy(), 16000)
    alone = []
    for number, channel in enumerate(channels):
        alone.append(tmp_path / f"alone-{number}.wav")
        soundfile.write(alone[-1], channel.numpy(), 16000)
    return path, alone


def test_one_channel(transcribe, call):
    path, alone = call
    for number, only in enumerate(alone):
        finished = transcribe(path, "--channel", number)
        assert finished.out == f"{number}\t{transcribe(only).out}"
    refused = transcribe(path, "--channel", 3)
    assert refused.code == 2
    assert "call.wav: has no channel 3: it has 3, counted from 0" in refused.err
    assert "--channel left: give a number" in transcribe(path, "--channel", "left").err


def test_each_channel_is_a_speaker(transcribe, call, broken):
    path, alone = call
    each = transcribe(path, "--channel", "each").out.splitlines()
    texts = [transcribe(only).out.strip() for only in alone]
    assert each == [f"{number}\t{text}" for number, text in enumerate(texts)]
    vtt = transcribe(path, "--channel", "each", "--format", "vtt").out
    captions = re.findall(r"(\d\d:\S+) --> .*\n<v Channel (\d)>(.*)\n", vtt)
    assert [start for start, *_ in captions] == sorted(start for start, *_ in captions)
    for number, text in enumerate(texts):
        words_of_channel = [
            words for _, channel, words in captions if channel == str(number)
        ]
        assert " ".join(words_of_channel) == text
    srt = transcribe(path, "--channel", "each", "--format", "srt").out
    assert re.search(r"^Channel 2: [ABCD]", srt, re.MULTILINE)
    ctm = transcribe(path, "--channel", "each", "--format", "ctm").out
    assert {line.split()[1] for line in ctm.splitlines()} == {"1", "2", "3"}
    several = transcribe(path, broken, "--channel", "each", "--format", "json")
    assert several.code == 2
    entries = [json.loads(line) for line in several.out.splitlines()]
    assert [entry["channel"] for entry in entries] == [0, 1, 2]


def test_channels_of_opposite_phase_do_not_cancel(transcribe, paths, tmp_path, caplog):
    samples, rate = soundfile.read(paths[1])
    pair = torch.from_numpy(samples)[:, None] * torch.tensor([1.0, -1.0])
    soundfile.write(tmp_path / "pair.wav", pair.numpy(), rate)
    finished = transcribe(tmp_path / "pair.wav")
    assert finished.out == transcribe(paths[1]).out
    assert "pair.wav: its channels cancel each other; channel 0 is" in caplog.text


def test_files_of_one_name_are_apart_in_ctm(transcribe, paths, tmp_path):
    copies = [tmp_path / folder / "a.flac" for folder in ("x", "y z")]
    for source, copy in zip(paths, copies, strict=False):
        copy.parent.mkdir()
        shutil.copy(source, copy)
    finished = transcribe(*copies, "--format", "ctm")
    named = {line.split()[0] for line in finished.out.splitlines()}
    assert named == {"x/a", "y_z/a"}
    twice = transcribe(copies[0], copies[0], "--format", "ctm")
    assert (twice.code, twice.out) == (2, "")
    assert "names two files in CTM" in twice.err


def test_the_folder_of_captions_is_made(transcribe, paths, tmp_path):
    folder = tmp_path / "new" / "captions"
    assert transcribe(*paths, "--format", "srt", "--output", folder).code == 0
    assert len(list(folder.iterdir())) == len(paths)
    file = tmp_path / "file"
    file.touch()
    finished = transcribe(*paths, "--format", "srt", "--output", file)
    assert finished.code == 2
    assert "give a folder as --output" in finished.err


def test_file_names_of_any_bytes_and_letters(transcribe, paths, tmp_path, monkeypatch):
    # of a locale that has no letter but those of ASCII
    stdout = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stdout, "ascii"))
    folder = tmp_path / "\u0416"
    folder.mkdir()
    odd = os.fsencode(folder) + b"/\xff.flac"
    shutil.copy(paths[0], odd)
    assert transcribe(os.fsdecode(odd), paths[1]).code == 0
    assert stdout.getvalue().startswith(odd + b"\t")
    stdout.seek(0)
    stdout.truncate()
    finished = transcribe("-", "--format", "json", stdin=odd + b"\n")
    assert finished.code == 0, finished.err
    assert os.fsencode(json.loads(stdout.getvalue().decode())["file"]) == odd
    output = tmp_path / "out.txt"
    transcribe(folder, paths[1], "--output", output)
    assert output.read_bytes().startswith(odd + b"\t")


def test_a_dash_as_output_is_stdout(transcribe, paths):
    assert transcribe(paths[0], "--output", "-").out == transcribe(paths[0]).out


@pytest.mark.parametrize("kind", ["flac", "ogg", "opus", "mp3", "wav"])
def test_files_joined_end_to_end_are_transcribed_to_the_end(
    transcribe, paths, tmp_path, kind
):
    parts = [encode(soundfile.read(path, dtype="float32")[0], kind) for path in paths]
    joined, whole = tmp_path / f"joined.{kind}", tmp_path / "whole.wav"
    joined.write_bytes(b"".join(parts))
    decoded = [soundfile.read(io.BytesIO(part), dtype="float32")[0] for part in parts]
    soundfile.write(whole, numpy.concatenate(decoded), 16000, subtype="FLOAT")
    assert transcribe(joined).out == transcribe(whole).out


def test_lengths_in_headers_are_not_trusted(transcribe, paths, tmp_path):
    samples = soundfile.read(paths[1], dtype="float32")[0]
    size = 2 * len(samples)
    files = {
        "unknown.flac": of_unknown_length(paths[1].read_bytes()),
        "switched_off.wav": with_size(encode(samples, "wav"), size, 0),
        "half.wav": with_size(encode(samples, "wav"), size, size // 2),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert transcribe(tmp_path / name).out == transcribe(paths[1]).out


def test_faults_of_one_file_do_not_end_the_others(transcribe, paths, tmp_path):
    good = soundfile.read(paths[1], dtype="float32")[0]
    fast, loud = tmp_path / "fast.wav", tmp_path / "loud.wav"
    content = bytearray(encode(good, "wav"))
    content[24:28] = (2**31 - 1).to_bytes(4, "little")
    fast.write_bytes(content)
    soundfile.write(loud, 3.4e38 * numpy.sign(good), 16000, subtype="FLOAT")
    finished = transcribe(fast, paths[1], loud)
    assert finished.code == 2
    assert finished.out.split("\t")[1] == transcribe(paths[1]).out
    fast_fault, loud_fault, _ = finished.err.splitlines()
    assert "fast.wav: its header has a sample rate of 2147483647 Hz" in fast_fault
    assert "loud.wav: holds samples of 3e+38" in loud_fault
