"""What commands make of a model over word pieces at 12.5 frames a second."""

import json

import pytest

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams

WORDS = {"AB", "BA", "DAB", "CAB", "A", "BAD"}
FRAME = 0.08
# of noise-9.flac, in seconds
DURATION = 0.9


@pytest.fixture
def files(tmp_path):
    text = ["AB BA", "DAB CAB", "A BAD CAB"]
    write_arpa(tmp_path / "lm.arpa", estimate_ngrams(text, order=2))
    spelled = "".join(f"{word} {' '.join(word)}\n" for word in WORDS)
    (tmp_path / "lexicon").write_text(spelled + "Bah B A |\n")
    return ("--lm", tmp_path / "lm.arpa", "--lexicon", tmp_path / "lexicon")


@pytest.fixture
def transcribe(lact_asr, pieces_run, audio_folder):
    def run(*options, model=pieces_run):
        audio = audio_folder / "noise-9.flac"
        finished = lact_asr(
            "transcribe", "--model", model, audio, "--format", "json", *options
        )
        assert finished.code == 0, finished.err
        return json.loads(finished.out)

    return run


def assert_timed(together):
    """Words stand on frames of 80 ms, one after the other; the file ends the last."""
    assert together["text"] == " ".join(word["word"] for word in together["words"])
    ends = [0.0]
    for word in together["words"]:
        assert ends[-1] <= word["start"] < word["end"] <= DURATION
        for time in {word["start"], word["end"]} - {DURATION}:
            assert time / FRAME == pytest.approx(round(time / FRAME))
        ends.append(word["end"])


@pytest.mark.parametrize("chunk", [(), ("--chunk", 0.32)], ids=str)
def test_words_with_times_whatever_the_search(transcribe, files, chunk):
    greedy = transcribe(*chunk)
    assert greedy["text"] and "\u2581" not in greedy["text"]
    beam = ("--beam-size", 20, *chunk)
    together = transcribe(*beam, *files)
    assert together["words"] and {word["word"] for word in together["words"]} <= {
        *WORDS,
        "Bah",
    }
    alone = transcribe(*beam, *files[:2])
    assert {word["word"] for word in alone["words"]} <= WORDS
    for found in greedy, together, alone, transcribe(*beam):
        assert_timed(found)


def test_an_export_recognizes_what_the_run_does(
    lact_asr, transcribe, files, pieces_run
):
    folder = files[1].with_name("export")
    finished = lact_asr("export", pieces_run, folder)
    assert "13 tokens, 12.5 frames/s" in finished.out
    assert (folder / "tokenizer.model").is_file()
    assert not (folder / "vocabulary.txt").exists()
    options = ("--beam-size", 20, *files)
    assert transcribe(*options, model=folder) == transcribe(*options)


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_a_stream_shows_words_before_they_are_final(
    lact_asr, pieces_run, audio_folder, files, search
):
    options = ("--beam-size", 20, *files) if search == "beam" else ()
    given = ("--chunk", 0.32, "--silence", 0.3, "--partial", "--format", "json")
    audio = audio_folder / "noise-9.flac"
    finished = lact_asr("stream", "--model", pieces_run, *given, *options, audio)
    assert finished.code == 0, finished.err
    messages = [json.loads(line) for line in finished.out.splitlines()]
    kinds = [message["type"] for message in messages]
    assert kinds[0] == "partial" and kinds[-1] == "final"
    for message in messages:
        if message["type"] == "final":
            assert_timed(message)
        else:
            # the last word may continue
            assert message["num_stable"] < len(message["text"].split())
    assert "chunk 0.32 s, left context 5.12 s" in finished.err


@pytest.mark.parametrize("method", ["suta", "self-train"])
def test_it_learns_at_test_time(lact_asr, pieces_run, audio_folder, tmp_path, method):
    audio = str(audio_folder / "noise-9.flac")
    utterances = [Utterance("a", audio, "AB BA", 0.9)]
    write_manifest(tmp_path / "data.jsonl", utterances)
    finished = lact_asr(
        *("evaluate", "--model", pieces_run, "--data", tmp_path / "data.jsonl"),
        *("--ttt", method),
    )
    assert finished.code == 0, finished.err


def test_doctor_sees_whether_pieces_spell_the_data(
    lact_asr, pieces_run, audio_folder, tmp_path
):
    audio = str(audio_folder / "noise-9.flac")
    write_manifest(tmp_path / "data.jsonl", [Utterance("a", audio, "AB QA", 0.9)])
    finished = lact_asr(
        "doctor", "--model", pieces_run, "--data", tmp_path / "data.jsonl"
    )
    assert finished.code == 2
    assert "unknown to the model: Q" in finished.out
