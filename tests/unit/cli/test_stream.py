"""Speech as text while it is spoken, from files and pipes."""

import json
import re
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.cli.terminal.stream_output import StreamWriter
from lact_modules.data.source import live_audio
from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.decoding.stream.endpoint import PartialHypothesis
from lact_modules.encoders import compilation
from lact_modules.errors import InputError

# an untrained model never rests: so its utterances end
OPTIONS = ("--chunk", "0.32", "--silence", "0.1")


@pytest.fixture(scope="module")
def samples():
    generator = torch.Generator().manual_seed(1)
    noise = 0.3 * torch.randn(96000, generator=generator)
    noise *= torch.linspace(0, 20, len(noise)).sin().abs()
    return (32767 * noise.clamp(-1, 1)).to(torch.int16).numpy()


@pytest.fixture(scope="module")
def audio(samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "a.flac"
    soundfile.write(path, samples, 16000)
    return path


@pytest.fixture
def stream(lact_asr, streaming_run):
    def run(*arguments, stdin=b""):
        given = ("--model", streaming_run, "--device", "cpu", *OPTIONS)
        return lact_asr("stream", *given, *arguments, stdin=stdin)

    return run


def test_a_file_gives_a_line_an_utterance_and_then_the_speed(stream, audio):
    finished = stream(audio)
    assert finished.code == 0
    lines = finished.out.splitlines()
    assert len(lines) > 3
    ends = [0.0]
    for line in lines:
        start, end, text = line.split("\t")
        assert ends[-1] <= float(start) < float(end)
        assert re.fullmatch(r"[ABCD ]+", text)
        ends.append(float(end))
    num_words = sum(len(line.split("\t")[2].split()) for line in lines)
    assert re.fullmatch(
        rf"6\.0 s of audio, {num_words} words; real-time factor 0\.\d+\n"
        r"latency of words: mean \S+ s, p50 \S+ s, p95 \S+ s; "
        r"chunk 0\.32 s, left context 5\.12 s\n",
        finished.err,
    )


def test_compiled_blocks_recognize_the_same(stream, audio, monkeypatch, caplog):
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    finished = stream(audio, "--left", "0.32", "--compile")
    assert finished.code == 0
    assert "compile: graph 2" in caplog.text
    assert finished.out == stream(audio, "--left", "0.32").out


def test_stdin_is_recognized_as_the_file(stream, audio, samples):
    piped = stream("-", stdin=samples.tobytes() + b"\x01")
    assert piped.out == stream(audio).out


def test_stdin_of_another_rate_is_recognized_as_the_file(stream, samples, tmp_path):
    soundfile.write(tmp_path / "a.wav", samples, 22050)
    piped = stream("-", "--sample-rate", 22050, stdin=samples.tobytes())
    assert piped.out == stream(tmp_path / "a.wav").out


def test_a_wav_on_stdin_is_recognized_as_the_file(stream, samples, tmp_path):
    soundfile.write(tmp_path / "a.wav", samples, 22050)
    piped = stream("-", stdin=(tmp_path / "a.wav").read_bytes())
    assert piped.out == stream(tmp_path / "a.wav").out


def test_another_file_on_stdin_is_refused(stream, audio):
    refused = stream("-", stdin=audio.read_bytes())
    assert refused.code == 2
    assert "stdin: this is no raw audio but a file (FLAC); give its name" in refused.err


def test_json_has_words_with_times_and_partial_hypotheses(stream, audio):
    texts = [line.split("\t")[2] for line in stream(audio).out.splitlines()]
    lines = stream(audio, "--format", "json", "--partial").out.splitlines()
    messages = [json.loads(line) for line in lines]
    finals = [message for message in messages if message["type"] == "final"]
    assert [message["text"] for message in finals] == texts
    for message in finals:
        assert " ".join(word["word"] for word in message["words"]) == message["text"]
    partials = [message for message in messages if message["type"] == "partial"]
    assert partials
    seconds = [message["audio_seconds"] for message in messages]
    assert seconds == sorted(seconds)
    only_finals = stream(audio, "--format", "json").out.splitlines()
    assert only_finals == [line for line in lines if '"final"' in line]


def test_a_beam_with_an_n_gram(stream, audio, lm):
    finished = stream(audio, "--beam-size", 5, "--lm", lm, "--lm-weight", 0.5)
    assert finished.code == 0
    words = {w for line in finished.out.splitlines() for w in line.split("\t")[2]}
    assert words <= set("ABCD ")
    refused = stream(audio, "--lm", lm)
    assert refused.code == 2
    assert "needs beam search" in refused.err


def test_a_stream_is_kept_and_gone_on_with(stream, audio, samples, tmp_path):
    state = tmp_path / "state.pt"
    cut = 40000
    first = stream("-", "--save-state", state, stdin=samples[:cut].tobytes())
    assert "2.5 s of audio" in first.err
    load = ("-", "--load-state", state)
    second = stream(*load, stdin=samples[cut:].tobytes())
    assert "3.5 s of audio" in second.err
    assert first.out
    assert first.out + second.out == stream(audio).out
    other = stream(*load, "--chunk", "0.64")
    assert (other.code, other.out) == (2, "")
    assert "--chunk" in other.err
    state.write_bytes(state.read_bytes()[:1000])
    damaged = stream(*load)
    assert damaged.code == 2
    assert re.fullmatch(r"lact-asr: .*state\.pt: not a saved stream.*\n", damaged.err)


def test_a_state_without_room_is_one_line(stream, audio, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        finished = stream(audio, "--save-state", tmp_path / "state.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert finished.code == 2
    last = finished.err.splitlines()[-1]
    assert re.fullmatch(r"lact-asr: .*state\.pt: cannot be written .*", last)
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_is_one_line(stream, audio, trained_run, lact_asr, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    for arguments, reason in [
        ((), "give an audio file, - for stdin, or --mic"),
        ((audio, "--mic"), "give an audio file"),
        ((tmp_path / "none.wav",), "no such file"),
        ((tmp_path / "bad.wav",), "cannot be read as audio"),
        ((audio, "--sample-rate", 8000), "--sample-rate"),
        (("-", "--realtime"), "--realtime"),
        ((audio, "--partial"), "--format json"),
        ((audio, "--load-state", tmp_path / "none.pt"), "none.pt: no such file"),
        ((audio, "--save-state", audio / "none" / "a.pt"), "cannot be made"),
    ]:
        finished = stream(*arguments)
        assert (finished.code, finished.out) == (2, "")
        assert re.fullmatch(rf"lact-asr: .*{reason}.*\n", finished.err)
    refused = lact_asr("stream", "--model", trained_run, audio)
    assert refused.code == 2
    assert "running" in refused.err


def test_words_before_a_fault_are_written(stream, audio, monkeypatch):
    def read(path):
        yield from whole(path)
        raise InputError(f"{path}: truncated")

    expected, whole = stream(audio), live_audio.read_file
    monkeypatch.setattr(live_audio, "read_file", read)
    finished = stream(audio)
    assert (finished.code, finished.out) == (2, expected.out)
    assert finished.err.endswith(f"lact-asr: {audio}: truncated\n")


def test_silence_has_no_words(stream):
    for options in ((), ("--sample-rate", "8000")):
        finished = stream("-", *options)
        assert (finished.code, finished.out) == (0, "")
        report = "0.0 s of audio, 0 words; real-time factor 0.000;"
        assert finished.err.startswith(report)


def test_the_microphone(stream, samples, audio, monkeypatch):
    recorded = torch.from_numpy(samples.astype(np.float32) / 32768).split(640)
    monkeypatch.setattr(live_audio, "record", lambda: iter(recorded))
    assert stream("--mic").out == stream(audio).out


@pytest.fixture
def start(streaming_run):
    """Start the command as a process of its own, with pipes."""

    def run(source):
        code = "from lact_modules.cli.main import main; main()"
        command = [sys.executable, "-c", code, "stream", "--model", streaming_run]
        return subprocess.Popen(
            [*command, source, *OPTIONS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_lines_come_at_once_and_a_signal_ends_cleanly(start, samples, number):
    with start("-") as process:
        process.stdin.write(samples.tobytes())
        process.stdin.flush()
        # while stdin is open
        first = process.stdout.readline()
        assert first.count(b"\t") == 2
        process.send_signal(number)
        rest, err = process.communicate()
    assert process.returncode == 0
    assert rest.count(b"\n") > 0
    assert b"real-time factor" in err
    assert b"Traceback" not in err


def test_a_broken_pipe_ends_quietly(start, audio):
    with start(audio) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_terminal_shows_the_partial_hypothesis_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "12")
    writer = StreamWriter()
    one, two = Word("ONE", 0.2, 0.5), Word("TWO", 0.8, 1.1)
    writer.write((), PartialHypothesis((), (one,)), 0.64)
    writer.write((), PartialHypothesis((one,), (two,)), 1.28)
    # no news, nothing drawn
    writer.write((), PartialHypothesis((one, two), ()), 1.92)
    writer.write((), PartialHypothesis((one, two), (Word("THREE", 2.0, 2.2),)), 2.56)
    writer.write(
        (Hypothesis.from_words([one, two], 0.0),), PartialHypothesis((), ()), 3.2
    )
    out, err = capsys.readouterr()
    assert out == "0.20\t1.10\tONE TWO\n"
    clear = "\r\x1b[2K"
    drawn = ["", "ONE", "ONE TWO", "E TWO THREE", ""]
    assert err.split(clear) == drawn


def test_half_precision(stream, audio):
    finished = stream(audio, "--precision", "bf16")
    assert finished.code == 0
    assert len(finished.out.splitlines()) > 3
    assert stream(audio, "--precision", "fp16").code == 2
