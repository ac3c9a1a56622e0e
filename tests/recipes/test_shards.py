import os
import signal

import pytest

from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.data.shard.writer import write_shards
from lact_modules.training.loop import RecipeBrain

pytest.importorskip("webdataset")


@pytest.fixture(scope="module")
def shards(corpus, tmp_path_factory):
    """Folders of shards by their split: of the training's, four."""
    folder = tmp_path_factory.mktemp("shards")
    for split, path in prepare_librispeech(corpus, folder, ["train", "dev"]).items():
        utterances = read_manifest(path)
        for number in range(4):
            part = utterances[number::4]
            write_shards(folder / split / str(number), part, max_bytes=10**9)
    return folder


@pytest.fixture(scope="module")
def whole(train, shards, tmp_path_factory):
    """A run that nothing stops."""
    return train(
        tmp_path_factory.mktemp("whole"),
        train_shards=shards / "train" / "*",
        num_epochs=2,
    )


def losses(run):
    return {entry["step"]: entry["loss"] for entry in run.metrics("train")}


def test_the_training_split_is_not_prepared(whole):
    assert whole.code == 0
    prepared = (whole.folder / "manifests").glob("*.jsonl")
    assert sorted(path.name for path in prepared) == ["dev.jsonl", "test.jsonl"]


def test_epochs_have_a_known_number_of_steps(whole):
    steps = len(whole.steps())
    # 20 utterances, two a batch, of like duration
    assert 20 <= steps <= 24
    assert whole.steps("dev") == [steps // 2, steps]
    assert losses(whole)[steps] < losses(whole)[1]


def test_learns_the_sentences_as_well_as_from_files(
    train, shards, memorized, by_heart, tmp_path
):
    options = {"num_epochs": 27, "train_shards": shards / "dev" / "*"}
    run = train(tmp_path, **{**by_heart, **options})
    assert run.code == 0
    assert run.steps() == memorized.steps()
    assert run.result["metrics"]["dev"]["greedy"]["wer"] <= 10
    assert memorized.result["metrics"]["dev"]["greedy"]["wer"] <= 10


def test_stopped_within_an_epoch_continues_with_the_next_batch(
    train, shards, whole, tmp_path, monkeypatch
):
    options = {"train_shards": shards / "train" / "*", "num_epochs": 2}
    log = RecipeBrain._log

    def log_and_stop(brain, split, **values):
        log(brain, split, **values)
        if split == "train" and brain.optimizer_step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RecipeBrain, "_log", log_and_stop)
        stopped = train(tmp_path, **options)
    assert stopped.code == 143
    assert stopped.steps() == [1, 2, 3, 4]
    resumed = train(tmp_path, **options)
    assert resumed.code == 0
    assert losses(resumed) == losses(whole)
    assert (
        resumed.result["metrics"]["test"]["greedy"]["wer"]
        == (whole.result["metrics"]["test"]["greedy"]["wer"])
    )


def test_word_pieces_are_learned_from_shards_too(train, shards, tmp_path):
    run = train(
        tmp_path,
        recipe="ASR/transformer",
        train_shards=shards / "train" / "*",
        num_tokens=60,
    )
    assert run.code == 0
    assert (tmp_path / "tokenizer.model").exists()
    assert run.result["metrics"]["test"]["beam"]["wer"] > 0


def test_two_processes_share_the_shards(train_apart, shards, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    run = train_apart(
        script,
        tmp_path / "run",
        launcher=["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"],
        distributed_backend="gloo",
        train_shards=shards / "train" / "*",
        num_workers=2,
    )
    assert run.code == 0, run.error
    assert 5 <= len(run.steps()) <= 6
    assert run.result["metrics"]["test"]["greedy"]["wer"] > 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"train_shards": "nowhere"}, "nowhere: no such shards; give a folder that"),
        (
            {"characters": "XYZ", "num_tokens": 5},
            "characters that the vocabulary lacks",
        ),
        ({"max_train_duration": 0.01}, "raise max_train_duration"),
    ],
)
def test_a_fault_is_one_line(train, shards, tmp_path, options, complaint):
    run = train(tmp_path, **{"train_shards": shards / "train" / "*", **options})
    assert run.code == 2
    assert complaint in run.error.splitlines()[-1]
