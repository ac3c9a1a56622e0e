import pytest
from typer.testing import CliRunner

from lact_modules.cli.main import app
from lact_modules.data.manifest import read_manifest
from lact_modules.errors import InputError


@pytest.fixture
def run():
    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if isinstance(result.exception, InputError):
            raise result.exception
        return result

    return run


def test_synth_makes_a_corpus_that_prepare_reads(run, tmp_path):
    pytest.importorskip("espeakng_loader")
    sizes = ("--train", 2, "--dev", 1, "--test", 1, "--workers", 2)
    made = run("synth", tmp_path, *sizes)
    assert made.exit_code == 0
    assert "LibriSpeech: train 0.00 h, dev 0.00 h, test 0.00 h" in made.stdout
    manifests = tmp_path / "manifests"
    splits = ("--splits", "train, test")
    prepared = run("prepare", "librispeech", tmp_path, manifests, *splits)
    assert prepared.exit_code == 0
    assert prepared.stdout.startswith("train: 2 utterances, 0.00 h, ")
    assert len(read_manifest(manifests / "train.jsonl")) == 2
    assert len(read_manifest(manifests / "test.jsonl")) == 1
    assert not (manifests / "dev.jsonl").exists()


def test_prepare_names_a_missing_folder(run, tmp_path):
    with pytest.raises(InputError, match="gone: no such folder"):
        run("prepare", "librispeech", tmp_path / "gone", tmp_path, "--splits", "a")


def test_splits_need_a_name(run, tmp_path):
    with pytest.raises(InputError, match="--splits: no name"):
        run("prepare", "librispeech", tmp_path, tmp_path, "--splits", ",")


def test_download_names_a_server_that_does_not_answer(run, tmp_path):
    address = ("--base-url", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r":9/md5sum\.txt: cannot be fetched"):
        run("download", "librispeech", tmp_path, "--splits", "dev-clean", *address)


def test_unknown_corpus_is_a_usage_error(run, tmp_path):
    assert run("download", "music", tmp_path, "--splits", "a").exit_code == 2
