import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.data.manifest.manifest import read_manifest, write_manifest
from lact_modules.training.ctc import CTCBrain
from lact_modules.training.dataset import recordings


@pytest.fixture
def corpus_copy(corpus, tmp_path):
    """The corpus, for a test that breaks it."""
    return shutil.copytree(corpus, tmp_path / "LibriSpeech")


@pytest.fixture
def spoil(monkeypatch):
    """Let outputs be changed: spoil(change), change(brain, batch, log_probs)."""
    compute_forward = CTCBrain.compute_forward

    def install(change):
        def spoiled(brain, batch, stage):
            log_probs, frames = compute_forward(brain, batch, stage)
            if stage.name == "TRAIN":
                log_probs = change(brain, batch, log_probs)
            return log_probs, frames

        monkeypatch.setattr(CTCBrain, "compute_forward", spoiled)

    return install


def first_transcript(corpus, split="train"):
    """A file of transcripts, the first utterance's id and its text."""
    path = min(corpus.glob(f"{split}/*/*/*.trans.txt"))
    utterance_id, text = path.read_text().splitlines()[0].split(maxsplit=1)
    return path, utterance_id, text


def assert_stopped(run, *words):
    """The error is one line, and nothing was measured."""
    assert run.code == 2
    message = run.error.strip().splitlines()[-1]
    assert message.startswith("train.py: ")
    for word in words:
        assert word in message
    assert "Traceback" not in run.error
    assert not (run.folder / "result.json").exists()


def test_audio_with_nan_is_skipped_and_named(train, corpus_copy, tmp_path):
    path, utterance_id, _ = first_transcript(corpus_copy)
    (path.parent / f"{utterance_id}.flac").unlink()
    samples = np.full(32000, np.nan, dtype=np.float32)
    wav = path.parent / f"{utterance_id}.wav"
    soundfile.write(wav, samples, 16000, subtype="FLOAT")
    run = train(tmp_path / "run", data_folder=corpus_copy)
    assert run.code == 0
    skipped = json.loads((run.folder / "manifests" / "train.skipped.json").read_text())
    assert utterance_id in json.dumps(skipped)
    assert utterance_id in run.log
    assert len(read_manifest(run.folder / "manifests" / "train.jsonl")) == 19
    assert all(np.isfinite(entry["loss"]) for entry in run.metrics("train"))


def test_nan_loss_is_named_and_its_batch_skipped(train, corpus, spoil, tmp_path):
    _, culprit, _ = first_transcript(corpus)

    def change(brain, batch, log_probs):
        is_culprit = torch.tensor([name == culprit for name in batch.id])
        return log_probs.masked_fill(is_culprit[:, None, None], torch.nan)

    spoil(change)
    run = train(tmp_path, num_epochs=2)
    assert run.code == 0
    assert run.steps() == list(range(1, 21))
    assert sum("loss" not in entry for entry in run.metrics("train")) == 2
    assert run.log.count(f"not finite, skipped: {culprit}\n") == 2
    assert all(value.isfinite().all() for value in run.parameters().values())


def test_nan_gradient_is_named_and_its_step_skipped(train, spoil, tmp_path):
    steps = []

    def change(brain, batch, log_probs):
        if brain.optimizer_step == 1:
            log_probs.register_hook(lambda gradient: gradient * torch.nan)
            steps.append(list(batch.id))
        return log_probs * 1

    spoil(change)
    run = train(tmp_path, grad_accumulation_factor=2)
    assert run.code == 0
    assert run.steps() == [1, 2, 3, 4, 5]
    first, second = steps
    assert f"not finite, skipped: {', '.join(first + second)}\n" in run.log
    assert all(value.isfinite().all() for value in run.parameters().values())


def every_loss_is_nan(brain, batch, log_probs):
    return log_probs * torch.nan


def every_gradient_is_nan(brain, batch, log_probs):
    log_probs.register_hook(lambda gradient: gradient * torch.nan)
    return log_probs * 1


@pytest.mark.parametrize("change", [every_loss_is_nan, every_gradient_is_nan])
def test_training_stops_when_patience_is_exhausted(train, spoil, tmp_path, change):
    spoil(change)
    run = train(tmp_path, nonfinite_patience=3)
    assert_stopped(run, "training stopped: 4 losses in a row are not finite")
    assert run.log.count("not finite, skipped: ") == 4
    assert run.steps() == [1, 2, 3]


def test_more_labels_than_frames_are_counted(train, corpus_copy, tmp_path):
    path, _, text = first_transcript(corpus_copy)
    path.write_text(path.read_text().replace(text, " ".join([text] * 20)))
    # alone in its batch, which then has nothing to learn from
    run = train(
        tmp_path / "run",
        data_folder=corpus_copy,
        max_batch_size=1,
        nonfinite_patience=0,
    )
    assert run.code == 0
    assert "epoch 1: 1 utterances have more labels than frames" in run.log
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert len(losses) == 20
    assert sum(loss == 0 for loss in losses) == 1


def num_tested(run):
    path = min(run.folder.glob("transcripts_test*.jsonl"))
    return len(path.read_text().splitlines())


@pytest.fixture
def manifests(corpus, tmp_path):
    """Options of a run on manifests, the utterances of each changed."""
    prepared = prepare_librispeech(corpus, tmp_path, ["train", "dev", "test"])

    def write(change):
        options = {}
        for key, split in zip(("train", "valid", "test"), prepared, strict=True):
            path = options[f"{key}_manifest"] = tmp_path / f"{split}.changed.jsonl"
            write_manifest(path, change(read_manifest(prepared[split])))
        return options

    return write


@pytest.mark.parametrize("recipe", ["ASR/CTC", "ASR/transformer"])
def test_batches_without_speech(train, manifests, tmp_path, recipe):
    def silence(utterances):
        return [replace(u, text="") for u in utterances[:2]] + utterances[2:]

    tokens = {"num_tokens": 60} if "transformer" in recipe else {}
    options = {"valid_batch_size": 1, "max_batch_size": 1, **tokens}
    run = train(tmp_path / "run", recipe=recipe, **manifests(silence), **options)
    assert run.code == 0
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert len(losses) == 20
    assert np.isfinite(losses).all()
    assert num_tested(run) == 4


@pytest.mark.parametrize(
    ("num_workers", "in_memory"), [(0, False), (2, False), (2, True)]
)
def test_a_damaged_file_is_named_once_and_passed_over(
    train, manifests, tmp_path, monkeypatch, num_workers, in_memory
):
    lost = []
    load, read = recordings.load_utterance, tmp_path / "read"

    def load_and_note(utterance):
        # of workers, too
        with open(read, "a") as stream:
            stream.write(f"{os.getpid()} {utterance.audio_filepath}\n")
        return load(utterance)

    monkeypatch.setattr(recordings, "load_utterance", load_and_note)

    def damage(utterances):
        path = tmp_path / f"{utterances[0].id}.flac"
        path.write_bytes(Path(utterances[0].audio_filepath).read_bytes()[:9000])
        lost.append(utterances[0].id)
        return [replace(utterances[0], audio_filepath=str(path)), *utterances[1:]]

    run = train(
        tmp_path / "run",
        **manifests(damage),
        num_workers=num_workers,
        in_memory=in_memory,
        # alone in its batch, too
        max_batch_size=1,
        valid_batch_size=1,
    )
    assert run.code == 0
    assert run.steps() == list(range(1, 21))
    # one of them has an empty hypothesis
    assert sum("loss" in entry for entry in run.metrics("train")) == 19
    for name in lost:
        assert run.log.count(f"cannot be read, skipped: {name} (") == 1
    assert num_tested(run) == 3
    [decoders] = run.result["metrics"].values()
    assert decoders["greedy"]["unreadable"] == 1
    reads = [line.split(maxsplit=1) for line in read.read_text().splitlines()]
    # what is kept in memory is read once, and not by workers
    is_read_here = {number for number, _ in reads} == {str(os.getpid())}
    assert is_read_here == (in_memory or num_workers == 0)
    assert not in_memory or len({path for _, path in reads}) == len(reads)


def test_too_many_damaged_files_stop_the_training(train, manifests, tmp_path):
    def lose(utterances):
        return [replace(u, audio_filepath="gone.flac") for u in utterances]

    options = {"nonfinite_patience": 2, "in_memory": False}
    run = train(tmp_path / "run", **manifests(lose), **options)
    assert_stopped(run, "3 of 20 utterances cannot be read", "gone.flac: no such file")


@pytest.mark.parametrize("target", ["null", 4])
def test_a_brain_may_have_objectives_of_its_own(train, monkeypatch, tmp_path, target):
    calls, ctc = [], CTCBrain.compute_objectives

    def objectives(self, outputs, batch, stage):
        calls.append(stage.name)
        return outputs[0].exp().mean() + ctc(self, outputs, batch, stage).mean

    monkeypatch.setattr(CTCBrain, "compute_objectives", objectives)
    run = train(tmp_path, target_effective_batch=target, num_epochs=3)
    assert run.code == 0
    assert {"TRAIN", "VALID", "TEST"} == set(calls)
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert losses[-1] < losses[0]
    assert num_tested(run) == 4


def test_unknown_characters_in_transcripts(train, corpus_copy, tmp_path):
    path, utterance_id, text = first_transcript(corpus_copy)
    path.write_text(path.read_text().replace(text, "ÇA 7"))
    run = train(tmp_path / "run", data_folder=corpus_copy)
    assert_stopped(run, "1 transcripts", utterance_id, "'7 Ç'", "'characters'")


def test_own_data_in_lower_case_need_one_more_try(train, corpus_copy, tmp_path):
    for split in ("train", "dev", "test"):
        for path in corpus_copy.glob(f"{split}/*/*/*.trans.txt"):
            path.write_text(path.read_text().lower())
    # by heart, as the message gives them
    options = {"data_folder": corpus_copy, "test_splits": "[]"}
    run = train(tmp_path / "run", **options)
    assert_stopped(run, "20 transcripts", "--characters null --num_tokens null")
    assert not (tmp_path / "run" / "vocabulary.txt").exists()
    again = train(
        tmp_path / "run", **options, characters="null", num_tokens="null", num_epochs=1
    )
    assert again.code == 0
    spelled = (tmp_path / "run" / "vocabulary.txt").read_text()
    assert spelled == spelled.lower()


def test_vocabulary_that_does_not_match(train, tmp_path):
    run = train(tmp_path, characters="ABC")
    assert_stopped(run, "num_tokens: 29", "make 5")


def test_vocabulary_of_another_run(train, tmp_path):
    (tmp_path / "vocabulary.txt").write_text("<blank>\n|\nA\n")
    run = train(tmp_path)
    assert_stopped(run, str(tmp_path / "vocabulary.txt"), "differs")
    assert (tmp_path / "vocabulary.txt").read_text() == "<blank>\n|\nA\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_epoch": 3}, ["no key 'num_epoch'; did you mean 'num_epochs'?"]),
        ({"encoder": "{num_layer: 1}"}, ["'num_layer'"]),
        ({"decoding": "{beam: 5}"}, ["no key 'beam'; did you mean 'beam_size'?"]),
        ({"decoding": "{beam_size: 5, lm: no.arpa}"}, ["no.arpa: no such"]),
        ({"d_model": 30}, ["d_model=30: must be a multiple of"]),
        ({"data_folder": "nowhere"}, ["nowhere: no such folder"]),
        ({"test_splits": "[unseen]"}, ["unseen: no such split", "dev, test, train"]),
        ({"max_train_duration": 0.1}, ["raise max_train_duration"]),
        ({"grad_accumulation_factor": 11}, ["an epoch has only 10 batches"]),
        ({"best_by": "BLEU"}, ["--best_by BLEU: expected one of", "CER"]),
        ({"test_only": None}, ["save: no checkpoint of a whole epoch; train first"]),
    ],
)
def test_wrong_option_is_reported_on_one_line(train, tmp_path, options, words):
    assert_stopped(train(tmp_path, **options), *words)
