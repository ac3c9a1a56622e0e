import kenlm
import pytest
from typer.testing import CliRunner

from lact_modules.cli.main import app
from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.errors import InputError
from lact_modules.language_model.ngram_file import read_words


def test_text_and_manifest_make_a_model(tmp_path):
    (tmp_path / "text.txt").write_text("ONE TWO\nTWO\n")
    write_manifest(tmp_path / "m.jsonl", [Utterance("a", "a.wav", "TEN ONE", 1.0)])
    output = tmp_path / "lm.arpa"
    arguments = ["ngram", tmp_path / "text.txt", tmp_path / "m.jsonl"]
    arguments += ["--order", 2, "--output", output]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "6 1-grams" in result.output
    assert "3 sentences" in result.output
    model = kenlm.Model(str(output))
    assert model.order == 2
    assert "TEN" in model


def test_bad_order_writes_nothing(tmp_path):
    (tmp_path / "text.txt").write_text("ONE TWO\n")
    arguments = ["ngram", str(tmp_path / "text.txt"), "--order", "0"]
    arguments += ["--output", str(tmp_path / "lm.arpa")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InputError)
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_a_folder_in_the_place_of_the_output_is_refused(tmp_path, lact_asr):
    (tmp_path / "text.txt").write_text("ONE TWO\n")
    (tmp_path / "models").mkdir()
    finished = lact_asr("ngram", tmp_path / "text.txt", "--output", tmp_path / "models")
    line = f"lact-asr: {tmp_path}/models: not a regular file; name another output\n"
    assert (finished.code, finished.err.endswith(line)) == (2, True)
    assert {path.name for path in tmp_path.iterdir()} == {"models", "text.txt"}


def test_prune_is_passed_on(tmp_path):
    (tmp_path / "text.txt").write_text("ONE TWO\nONE TWO\nTWO ONE\n")
    arguments = ["ngram", str(tmp_path / "text.txt"), "--prune", "1"]
    arguments += ["--output", str(tmp_path / "lm.arpa")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    # <s> ONE, ONE TWO and TWO </s> are seen twice, no other bigram is.
    assert "ngram 2=3" in (tmp_path / "lm.arpa").read_text()


@pytest.fixture
def ngram(lact_asr, tmp_path):
    def run(text, *options):
        (tmp_path / "text.txt").write_text(text)
        output = tmp_path / "lm.arpa"
        return lact_asr("ngram", tmp_path / "text.txt", "--output", output, *options)

    return run


@pytest.mark.parametrize(
    ("text", "options", "units", "words"),
    [
        ("你好世界\n世界很好\n", (), "characters", "| 你 好 世 界 很"),
        ("สวัสดี\n", (), "characters", "| ส ว ั ด ี"),
        ("你好 世界\n", (), "words", "你好 世界"),
        ("你 好\n", (), "words", "你 好"),
        ("你好世界\n", ("--units", "words"), "words", "你好世界"),
        ("AN OX\n", (), "words", "AN OX"),
        ("AN OX\n", ("--units", "characters"), "characters", "| A N O X"),
        ("OX\n", ("--units", "characters"), "characters", "| O X"),
    ],
)
def test_units_are_words_or_characters(ngram, tmp_path, text, options, units, words):
    finished = ngram(text, *options)
    assert finished.code == 0
    assert f"1-grams of {units}" in finished.out or f"of {units}\n" in finished.out
    assert read_words(tmp_path / "lm.arpa") == words.split()
    assert "perplexity" in finished.out


def test_perplexity_of_characters_is_that_of_kenlm(ngram, tmp_path):
    finished = ngram("你好 世界\n世界\n", "--units", "characters", "--order", 2)
    reader = kenlm.Model(str(tmp_path / "lm.arpa"))
    log10 = reader.score("你 好 | 世 界") + reader.score("世 界")
    assert f": {10 ** (-log10 / 9):.2f}\n" in finished.out


@pytest.mark.parametrize(
    ("text", "options", "complaint"),
    [
        ("ONE TWO\n", ("--order", 7), "order 7: KenLM reads 2 to 6"),
        ("ONE TWO\n", ("--order", -1), "order -1: KenLM reads 2 to 6"),
        ("ONE TWO\n", ("--prune", -2), "prune [-2]"),
        ("A" * 1001 + "\n", (), "is no word"),
        ("A\0B\n", (), "is no word"),
        ("A <s> B\n", (), "reserved words"),
        ("\n \n", (), "no sentence"),
    ],
)
def test_faults_are_a_line_and_write_nothing(ngram, tmp_path, text, options, complaint):
    finished = ngram(text, *options)
    assert (finished.code, finished.out) == (2, "")
    assert complaint in finished.err
    assert finished.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_more_words_than_the_memory_holds_are_refused(ngram, monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda _: 30)
    finished = ngram("ONE TWO\nTWO\nTEN\n")
    assert finished.code == 2
    assert "more than 4 words need more memory" in finished.err
