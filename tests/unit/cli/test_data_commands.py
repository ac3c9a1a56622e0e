import shutil

import pytest
from typer.testing import CliRunner

from lact_modules.cli.main import app
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.data.shard.index import find_shards
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
    for layout in ("librispeech", "commonvoice"):
        with pytest.raises(InputError, match=f"prepare {layout}: give --splits"):
            run("prepare", layout, tmp_path, tmp_path)


@pytest.fixture
def clips(audio_folder, tmp_path):
    """Return a folder that holds three noises, of 0.3, 1.7 and 1.1 s, and a table."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for index in range(3):
        shutil.copy(audio_folder / f"noise-{index}.flac", folder)
    lines = [f"noise-{index}.flac,A B\n" for index in range(3)]
    (tmp_path / "train.csv").write_text("path,sentence\n" + "".join(lines))
    return folder


def test_prepare_reads_any_folder_and_tables(run, clips, tmp_path):
    (clips / "noise-1.txt").write_text("A B")
    prepared = run("prepare", "folder", clips, tmp_path / "out")
    assert prepared.stdout.startswith("clips: 1 utterances, 0.00 h, ")
    table = ("--table", tmp_path / "train.csv", "--min-duration", 0.5)
    prepared = run("prepare", "folder", clips, tmp_path / "out", *table)
    assert prepared.stdout.startswith("train: 2 utterances, 0.00 h, ")
    utterances = read_manifest(tmp_path / "out" / "train.jsonl")
    assert [u.id for u in utterances] == ["noise-1", "noise-2"]


def test_prepare_reads_common_voice(run, clips, tmp_path):
    lines = [f"noise-{index}.flac\tSüß und gut.\n" for index in range(3)]
    (tmp_path / "dev.tsv").write_text("path\tsentence\n" + "".join(lines))
    options = ("--splits", "dev", "--language", "de")
    prepared = run("prepare", "commonvoice", tmp_path, tmp_path / "out", *options)
    assert prepared.stdout.startswith("dev: 3 utterances, 0.00 h, ")
    assert "ß" in read_manifest(tmp_path / "out" / "dev.jsonl")[0].text.lower()


@pytest.mark.parametrize(
    ("layout", "options"),
    [("commonvoice", ("--table", "a.csv")), ("folder", ("--language", "de"))],
)
def test_options_belong_to_a_layout(run, tmp_path, layout, options):
    with pytest.raises(InputError, match=f"{options[0]}: for prepare .* not {layout}"):
        run("prepare", layout, tmp_path, tmp_path, "--splits", "a", *options)


def test_shard_writes_what_a_manifest_lists(run, clips, tmp_path):
    shutil.copy(tmp_path / "train.csv", clips)
    written = run("shard", clips / "train.csv", tmp_path / "shards")
    assert written.exit_code == 0
    assert "shards: 1 shards, 3 utterances, 0.00 h, " in written.stdout
    in_order = ("--keep-order", "--size-mb", 0.1)
    run("shard", clips / "train.csv", tmp_path / "in_order", *in_order)
    shards = find_shards(tmp_path / "in_order")
    durations = [d for shard in shards for d in shard.durations]
    assert durations == pytest.approx([0.3, 1.7, 1.1])
    with pytest.raises(InputError, match=r"shards\.json: has shards already"):
        run("shard", clips / "train.csv", tmp_path / "shards")


def test_download_names_a_server_that_does_not_answer(run, tmp_path):
    address = ("--base-url", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r":9/md5sum\.txt: cannot be fetched"):
        run("download", "librispeech", tmp_path, "--splits", "dev-clean", *address)


def test_unknown_corpus_is_a_usage_error(run, tmp_path):
    assert run("download", "music", tmp_path, "--splits", "a").exit_code == 2


@pytest.mark.parametrize(
    "options", [["librispeech"], ["librispeech-long", "--splits=a"]]
)
def test_splits_of_a_corpus_are_named_where_there_are_any(run, tmp_path, options):
    corpus, *splits = options
    with pytest.raises(InputError, match=r"^--splits: "):
        run("download", corpus, tmp_path, *splits)
