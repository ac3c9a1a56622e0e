import json

import pytest

from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.data.manifest.manifest import read_manifest

TOKENIZER = {
    "recipe": "Tokenizer",
    "hparams": "unigram_5000",
    "tiny": {"num_tokens": 60},
}
LANGUAGE_MODEL = {
    "recipe": "LM",
    "hparams": "transformer_demo",
    "tiny": {"device": "cpu", "d_model": 16, "num_tokens": 60, "num_epochs": 1},
}
S2S = {"recipe": "ASR/transformer", "num_tokens": 60, "max_batch_size": 4}


@pytest.fixture(scope="module")
def given(corpus, tmp_path_factory):
    """Options that name manifests of other tools, without ids and durations."""
    folder = tmp_path_factory.mktemp("manifests")
    prepared = prepare_librispeech(corpus, folder, ["train", "dev", "test"])
    for path in prepared.values():
        entries = [
            {"audio_filepath": utterance.audio_filepath, "text": utterance.text}
            for utterance in reversed(read_manifest(path))
        ]
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    rows = [f"{u.audio_filepath}\t{u.text}\n" for u in read_manifest(prepared["test"])]
    table = folder / "unseen.tsv"
    table.write_text("path\tsentence\n" + "".join(rows))
    return {
        "data_folder": "null",
        "train_manifest": prepared["train"],
        "valid_manifest": prepared["dev"],
        "test_manifest": f"[{prepared['test']}, {table}]",
    }


def numbers(run):
    """What a run logged and measured, without the time that it took."""
    logged = [
        {name: value for name, value in entry.items() if name != "training_s"}
        for split in ("train", "dev")
        for entry in run.metrics(split)
    ]
    rates = run.result["metrics"]["test"]["greedy"]
    return logged, rates["wer"], rates["cer"]


def test_manifest_of_the_same_data_gives_the_same_numbers(train, given, tmp_path):
    prepared = train(tmp_path / "prepared", num_epochs=2)
    run = train(tmp_path / "given", num_epochs=2, **given)
    assert prepared.code == run.code == 0
    assert numbers(run) == numbers(prepared)
    assert not (run.folder / "manifests").exists()
    measured = run.result["metrics"]
    assert measured.keys() == {"test", "unseen"}
    assert measured["unseen"]["greedy"]["wer"] == measured["test"]["greedy"]["wer"]


def test_manifests_of_speechbrain_are_read_and_not_called_librispeech(
    train, corpus, given, tmp_path
):
    utterances = read_manifest(given["train_manifest"])
    listed = {
        u.id: {
            "wav": u.audio_filepath.replace(str(corpus), "{data_root}"),
            "words": u.text,
        }
        for u in utterances
    }
    (tmp_path / "train.json").write_text(json.dumps(listed, indent=1))
    rows = ["ID,duration,wav,start,stop,wrd"]
    for u in utterances[:4]:
        path = u.audio_filepath.replace(str(corpus), "$data_root")
        rows.append(f"{u.id},0.5,{path},800,8800,{u.text}")
    (tmp_path / "dev.csv").write_text("\n".join(rows) + "\n")
    names = {
        "train_manifest": tmp_path / "train.json",
        "valid_manifest": tmp_path / "dev.csv",
        "test_manifest": tmp_path / "dev.csv",
        "data_folder": corpus,
    }
    run = train(tmp_path / "run", num_epochs=1, **names)
    assert run.code == 0
    assert run.result["dataset"] is None
    named = train(tmp_path / "run", num_epochs=1, dataset_name="My data", **names)
    assert named.result["dataset"] == "My data"
    run = train(tmp_path / "without", **names | {"data_folder": "null"})
    assert run.code == 2
    assert "SpeechBrain's {data_root}" in run.error


def test_splits_are_prepared_where_no_manifest_is_given(train, given, tmp_path):
    options = {"train_manifest": given["train_manifest"], "test_splits": "[dev]"}
    run = train(tmp_path, **options)
    assert run.code == 0
    prepared = (tmp_path / "manifests").glob("*.jsonl")
    assert [path.name for path in prepared] == ["dev.jsonl"]


@pytest.mark.parametrize("recipe", [TOKENIZER, LANGUAGE_MODEL, S2S])
def test_every_recipe_takes_manifests(train, given, tmp_path, recipe, capsys):
    run = train(tmp_path, **{**recipe, **given})
    assert run.code == 0
    if recipe is TOKENIZER:
        output = capsys.readouterr().out
        assert "train: 20 texts, " in output
        assert "dev: 4 texts, " in output
    elif recipe is LANGUAGE_MODEL:
        assert run.result["metrics"].keys() == {"dev", "test", "unseen"}
    else:
        assert run.result["metrics"].keys() == {"test", "unseen"}


@pytest.mark.parametrize("recipe", [TOKENIZER, LANGUAGE_MODEL, S2S])
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"train_manifest": "null"},
            "--data_folder null: expected the corpus folder, or",
        ),
        ({"train_manifest": "gone.csv"}, "train_manifest: gone.csv: no such manifest"),
        ({"train_shards": "shards"}, "train_shards: train_manifest is set too; set"),
    ],
)
def test_a_fault_is_one_line(train, given, tmp_path, recipe, options, complaint):
    run = train(tmp_path, **{**recipe, **given, **options})
    assert run.code == 2
    assert complaint in run.error.splitlines()[-1]


def test_tests_of_one_name_are_refused(train, given, tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("wav,wrd\n")
    tests = given["test_manifest"].replace("]", f", {path}]")
    run = train(tmp_path / "run", **{**given, "test_manifest": tests})
    assert run.code == 2
    assert "test.csv: has the name of " in run.error.splitlines()[-1]
