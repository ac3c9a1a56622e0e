"""Long-form fine-tuning: the last epochs, on long recordings at a lower rate."""

from dataclasses import replace

import pytest
import torch
import yaml

from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.data.long_form.joining import duration, transcribe
from lact_modules.data.manifest.manifest import read_manifest, write_manifest
from lact_modules.training.loop import RecipeBrain

SECONDS, GAP = 8.0, 0.25


@pytest.fixture(scope="module")
def chapters(corpus, tmp_path_factory):
    """Two chapters of ten utterances."""
    folder = tmp_path_factory.mktemp("chapters")
    prepared = prepare_librispeech(corpus, folder, ["train"])["train"]
    utterances = [
        replace(u, speaker="1", recording=f"chapter {i // 10}", order=i % 10)
        for i, u in enumerate(read_manifest(prepared))
    ]
    write_manifest(folder / "chapters.jsonl", utterances)
    return folder / "chapters.jsonl"


@pytest.fixture(scope="module")
def options(chapters):
    # with everything that draws random numbers: augmentation and dropout
    return {
        "train_manifest": chapters,
        "num_epochs": 2,
        "encoder": "{num_layers: 1, dropout: 0.1}",
        "checkpoint_interval": 2,
        "avg_checkpoints": 3,
        "max_batch_length": 17,
        "long_form_finetune_seconds": SECONDS,
        "long_form_gap_seconds": GAP,
        "test_splits": "[dev]",
    }


@pytest.fixture(scope="module")
def batches():
    """The texts of each batch, and its duration, by epoch."""
    return {}


@pytest.fixture(scope="module")
def whole(train, options, batches, tmp_path_factory):
    """A run that nothing stops."""
    fit_batch = RecipeBrain.fit_batch

    def note(brain, batch):
        seconds = batch.signal.data.shape[1] / 16000
        texts = batches.setdefault(brain.hparams.epoch_counter.current, [])
        texts.append((batch.text, seconds * len(batch.text)))
        return fit_batch(brain, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecipeBrain, "fit_batch", note)
        return train(tmp_path_factory.mktemp("whole"), **options)


def test_ends_on_recordings_of_consecutive_utterances(whole, batches, chapters):
    assert whole.code == 0, whole.error
    utterances = read_manifest(chapters)
    texts = [text for batch, _ in batches[1] for text in batch]
    assert sorted(texts) == sorted(u.text for u in utterances)
    recordings = {
        transcribe(utterances[first:last]): (first, last)
        for start in (0, 10)
        for first in range(start, start + 10)
        for last in range(first + 1, start + 11)
    }
    places = [recordings[text] for batch, _ in batches[2] for text in batch]
    assert sorted(i for place in places for i in range(*place)) == [*range(20)]
    for first, last in places:
        assert duration(utterances[first:last], GAP) <= SECONDS
    assert len(places) < 10
    # two of eight seconds, where there is room for seventeen
    sizes = [len(batch) for batch, _ in batches[2]]
    assert max(sizes) == 2
    assert all(seconds <= 17 for _, seconds in batches[2])
    assert "long-form fine-tuning, from epoch 2: " in whole.log


def test_the_schedule_ends_before_it_and_begins_anew_lower(whole):
    rates = [(e["epoch"], e["lr"]) for e in whole.metrics("train")]
    before = [lr for epoch, lr in rates if epoch <= 1]
    after = [lr for epoch, lr in rates if epoch > 1]
    peak = max(before)
    assert before[-1] < 0.2 * peak
    assert 0.2 * peak < max(after) <= 0.3 * peak
    assert after == sorted(after, reverse=True)


def test_is_on_record(whole):
    options = whole.result["options"]
    recorded = {k: options[k] for k in options if k.startswith("long_form")}
    assert recorded == {
        "long_form_finetune_seconds": SECONDS,
        "long_form_finetune_epochs": 1,
        "long_form_finetune_order": "reading",
        "long_form_finetune_lr_scale": 0.3,
        "long_form_gap_seconds": GAP,
        "long_form_utterances": 1,
        "long_form_order": "random",
    }


def test_only_its_own_checkpoints_are_chosen_from(whole):
    scored = [note for note in whole.checkpoints().values() if "WER" in note]
    assert [note["epoch"] for note in scored] == [2]


def unequal(first, second):
    return {name for name in first if not torch.equal(first[name], second[name])}


def test_resumed_within_it_as_if_never_interrupted(
    whole, train, options, tmp_path, monkeypatch
):
    last = whole.steps()[-1]
    with monkeypatch.context() as patch:
        learn = RecipeBrain.learn

        def learn_almost_all(self, batch, should_step):
            if self.optimizer_step == last - 1:
                raise SystemExit(9)
            return learn(self, batch, should_step)

        patch.setattr(RecipeBrain, "learn", learn_almost_all)
        interrupted = train(tmp_path / "run", **options)
    assert interrupted.code == 9
    newest = max(interrupted.checkpoints())
    [brain] = [
        state
        for path in interrupted.folder.glob("save/CKPT*/brain.ckpt")
        if (state := yaml.safe_load(path.read_text()))["optimizer_step"] == newest
    ]
    assert 1 < brain["epoch"] < 2
    resumed = train(tmp_path / "run", **options)
    assert resumed.code == 0

    def seen(run):
        keys = ("loss", "grad_norm", "lr", "epoch")
        return {m["step"]: [m[key] for key in keys] for m in run.metrics("train")}

    assert seen(resumed) == seen(whole)
    assert not unequal(resumed.parameters(), whole.parameters())


def test_a_step_of_fewer_and_longer_ones(train, options, tmp_path):
    run = train(
        tmp_path,
        **{**options, "target_effective_batch": 10, "checkpoint_interval": 0},
    )
    assert run.code == 0, run.error
    epochs = [entry["epoch"] for entry in run.metrics("train")]
    # two steps of ten utterances; then as much audio a step, of a few recordings
    assert epochs == [0.5, 1, 1.5, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"long_form_finetune_epochs": 2},
            "--long_form_finetune_epochs 2: of 2 epochs; set fewer",
        ),
        (
            {"long_form_finetune_seconds": 0},
            "--long_form_finetune_seconds 0: expected a number abov",
        ),
        (
            {"long_form_finetune_order": "any"},
            "--long_form_finetune_order any: expected one of random, ",
        ),
        (
            {"long_form_order": "reading"},
            "--long_form_order reading: has no effect alone",
        ),
        (
            {"long_form_finetune_seconds": "null"},
            "--long_form_gap_seconds 0.25: has no effect alone",
        ),
        (
            {"train_manifest": "null", "train_shards": "shards"},
            "--long_form_finetune_seconds 8.0: shards know neither",
        ),
    ],
)
@pytest.mark.parametrize("recipe", ["ASR/CTC", "ASR/transformer"])
def test_what_cannot_be_is_refused_at_the_door(
    train, options, tmp_path, recipe, given, message
):
    tiny = {"d_model": 32, "num_tokens": 40} if recipe != "ASR/CTC" else {}
    run = train(tmp_path / "run", recipe, **{**options, **tiny, **given})
    assert run.code == 2
    assert message in run.error.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_what_has_no_order_is_named(train, options, chapters, tmp_path):
    read = read_manifest(chapters)
    utterances = [replace(u, id=f"u{i}", order=None) for i, u in enumerate(read)]
    write_manifest(tmp_path / "unordered.jsonl", utterances)
    manifest = {"train_manifest": tmp_path / "unordered.jsonl"}
    run = train(tmp_path / "run", **{**options, **manifest})
    assert run.code == 2
    last = run.error.splitlines()[-1]
    assert "--long_form_finetune_order reading: u" in last and "'order'" in last
