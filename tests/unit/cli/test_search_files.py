"""Language models and lexicons as options: used, reported, or refused."""

import gzip
import json

import pytest

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.inference.long_form import LongForm
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams
from tests.unit.conftest import make_run, streaming_hyperparameters, with_decoder

SENTENCES = ["A B", "B A B", "D C"]
# the trained run recognizes A, B, C and D in noise
LETTERS = "ABCD"


@pytest.fixture
def transcribe(lact_asr, trained_run, audio_folder):
    def run(*options):
        audio = audio_folder / "noise-9.flac"
        search = ("--beam-size", 20, *options)
        return lact_asr("transcribe", "--model", trained_run, audio, *search)

    return run


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def assert_refused(finished, *parts):
    assert (finished.code, finished.out) == (2, "")
    assert finished.err.count("\n") == 1
    for part in parts:
        assert part in finished.err


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_reaches_no_transcript(transcribe, write, mark):
    lexicon = "".join(f"{letter}X {letter} |\n" for letter in LETTERS)
    plain = transcribe("--lexicon", write("plain.txt", lexicon))
    finished = transcribe("--lexicon", write("lexicon.txt", mark + lexicon))
    assert (finished.code, finished.out) == (0, plain.out)
    assert set(finished.out.split()) <= {f"{letter}X" for letter in LETTERS}
    assert finished.out.strip()


def test_a_packed_language_model_is_read_as_if_unpacked(transcribe, write, lm):
    plain = transcribe("--lm", lm)
    packed = write("packed.arpa.gz", gzip.compress(lm.read_bytes()))
    assert plain.out.strip()
    assert transcribe("--lm", packed).out == plain.out
    assert transcribe("--rescore", packed).out == transcribe("--rescore", lm).out


def test_single_words_are_a_language_model(transcribe, write):
    words = "".join(f"-0.7\t{letter}\n" for letter in LETTERS)
    arpa = (
        f"\\data\\\nngram 1=6\n\n\\1-grams:\n-99\t<s>\n-0.9\t</s>\n{words}\n\\end\\\n"
    )
    finished = transcribe("--lm", write("single.arpa.gz", gzip.compress(arpa.encode())))
    assert finished.code == 0
    assert finished.out.strip()


@pytest.mark.parametrize("option", ["--lm", "--rescore"])
def test_another_case_is_refused(transcribe, tmp_path, option):
    write_arpa(tmp_path / "lower.arpa", estimate_ngrams(["a b", "d c"], order=2))
    finished = transcribe(option, tmp_path / "lower.arpa")
    assert_refused(finished, "none of its 4 words", "in upper case 4 of 4 would fit")


def test_a_language_model_that_knows_no_word_of_a_lexicon_is_refused(
    transcribe, write, tmp_path
):
    write_arpa(tmp_path / "lower.arpa", estimate_ngrams(["a b", "d c"], order=2))
    lexicon = write("upper.txt", "A A |\nB B |\n")
    finished = transcribe("--lm", tmp_path / "lower.arpa", "--lexicon", lexicon)
    assert_refused(finished, "lower.arpa: ", "knows none of the words", "upper.txt (2)")


@pytest.mark.parametrize("option", ["--lm", "--rescore", "--lexicon"])
@pytest.mark.parametrize(
    "content",
    [
        bytes(range(256)) * 9,
        b"",
        b"\x1f\x8b\x08 no more",
        b"\\data\\\nngram 1=-5\nngram 2=-2\n\n\\1-grams:\n",
        b"mmap lm http://kheafield.com/code format version 5\n" + bytes(300),
    ],
    ids=["random", "empty", "packed", "negative", "binary"],
)
def test_damaged_files_are_refused_in_a_line(transcribe, write, option, content):
    if option == "--lexicon" and content.startswith((b"\\", b"mmap")):
        content = content[:5]
    finished = transcribe(option, write("damaged", content))
    assert_refused(finished, "damaged: ")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--lm-weight", "nan"),
        ("--lm-weight", "inf"),
        ("--lm-weight", "-1"),
        ("--word-score", "nan"),
        ("--word-score", "-inf"),
        ("--rescore-weight", "nan"),
        ("--rescore-weight", "-1"),
        ("--rescore-word-score", "inf"),
        ("--beam-size", "1000000"),
        ("--beam-size", "99999999999999999999"),
    ],
)
def test_numbers_out_of_range_are_refused(transcribe, lm, option, value):
    finished = transcribe("--lm", lm, "--rescore", lm, option, value)
    name = option.removeprefix("--").replace("-", "_")
    assert_refused(finished, name, "expected")


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        (("--lm-weight", "1"), "--lm"),
        (("--rescore-weight", "0.5"), "--rescore"),
        (("--rescore-word-score", "1"), "--rescore"),
        (("--rescore-lowercase",), "--rescore"),
        (("--beam-size", "0", "--word-score", "1"), "--beam-size"),
    ],
)
def test_options_that_change_nothing_are_refused(transcribe, options, needed):
    assert_refused(transcribe(*options), f"changes nothing without {needed}")


@pytest.mark.parametrize(
    "options",
    [
        ("--lm-weights", "1,nan"),
        ("--lm-weights", "-1"),
        ("--word-scores", "inf"),
        ("--rescore-weights", ""),
        ("--rescore-weights", "-0.5"),
        ("--beam-size", "1000000"),
    ],
)
def test_tune_lm_refuses_numbers_out_of_range(
    lact_asr, trained_run, split, lm, options
):
    command = ("tune-lm", "--model", trained_run, "--data", split, "--allow-test")
    finished = lact_asr(*command, "--lm", lm, "--rescore", lm, *options)
    assert (finished.code, finished.out) == (2, "")
    assert "Traceback" not in finished.err
    assert "expected" in finished.err or "must not be negative" in finished.err


def test_evaluate_reports_words_that_differ_in_case(
    lact_asr, trained_run, audio_folder, write, tmp_path
):
    low = write("low.txt", "".join(f"{c.lower()} {c} |\n" for c in LETTERS))
    search = ("--beam-size", 20, "--lexicon", low, "--json", tmp_path / "scores.json")
    audio = str(audio_folder / "noise-9.flac")
    write_manifest(tmp_path / "m.jsonl", [Utterance("a", audio, "X", 1.0)])
    command = ("evaluate", "--model", trained_run, "--data", tmp_path / "m.jsonl")
    finished = lact_asr(*command, *search)
    assert "differ in" not in finished.err
    [entry] = json.loads((tmp_path / "scores.json").read_text())["utterances"]
    reference = Utterance("a", audio, entry["hyp"].upper(), 1.0)
    write_manifest(tmp_path / "m.jsonl", [reference])
    finished = lact_asr(*command, *search)
    assert finished.code == 0
    assert "words differ in case alone: without that WER 0.00" in finished.err


@pytest.fixture
def run_with_decoder(tmp_path):
    """Make a run whose streaming model has a text decoder."""
    (tmp_path / "run").mkdir()
    return make_run(tmp_path / "run", with_decoder(streaming_hyperparameters()))


def test_each_step_runs_long_audio_in_pieces(
    lact_asr, run_with_decoder, audio_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("lact_modules.inference.model_runner.MAX_WHOLE_SECONDS", 0.2)
    run_pieces, batch_sizes = LongForm.__call__, []

    def record(self, waveforms):
        batch_sizes.append(len(waveforms))
        return run_pieces(self, waveforms)

    monkeypatch.setattr(LongForm, "__call__", record)
    audio = str(audio_folder / "noise-9.flac")
    write_manifest(tmp_path / "m.jsonl", [Utterance("a", audio, "A", 1.0)])
    command = ("evaluate", "--model", run_with_decoder, "--data", tmp_path / "m.jsonl")
    command += ("--search", "ctc", "--chunk", 0.32, "--left", 1, "--beam-size", 4)
    for steps in ((), ("--each-step",)):
        finished = lact_asr(*command, *steps)
        assert finished.code == 0, finished.err
    assert batch_sizes == [1, 1]
