import kenlm
from typer.testing import CliRunner

from lact_modules.cli.main import app
from lact_modules.data.manifest import Utterance, write_manifest
from lact_modules.errors import InputError


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


def test_prune_is_passed_on(tmp_path):
    (tmp_path / "text.txt").write_text("ONE TWO\nONE TWO\nTWO ONE\n")
    arguments = ["ngram", str(tmp_path / "text.txt"), "--prune", "1"]
    arguments += ["--output", str(tmp_path / "lm.arpa")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    # <s> ONE, ONE TWO and TWO </s> are seen twice, no other bigram is.
    assert "ngram 2=3" in (tmp_path / "lm.arpa").read_text()
