import io
import shutil
from contextlib import redirect_stdout

import pytest
import soundfile
import torch
from PIL import Image

from lact_modules.cli.ngram import ngram
from lact_modules.data.corpus.librispeech import read_transcripts
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.export import export_model
from lact_modules.training.ctc import CTCBrain
from lact_modules.training.schedules import warmup_cosine

STEPS = 108


def test_loss_falls_until_the_sentences_are_known(memorized):
    assert memorized.code == 0
    losses = [entry["loss"] for entry in memorized.metrics("train")]
    assert len(losses) == STEPS
    assert losses[0] > 3
    assert max(losses[-10:]) < 0.2
    assert memorized.metrics("dev")[-1]["wer"] <= 10


def test_each_step_is_logged_with_its_learning_rate(memorized):
    assert memorized.steps() == list(range(1, STEPS + 1))
    rates = [entry["lr"] for entry in memorized.metrics("train")]
    expected = [0.005 * warmup_cosine(step, STEPS, 20) for step in range(STEPS)]
    assert rates == pytest.approx(expected)


def test_validates_after_epochs_and_within_them(memorized):
    after_epochs = range(4, STEPS + 1, 4)
    assert memorized.steps("dev") == sorted([*after_epochs, 50, 100])


def test_shows_samples_at_their_interval(memorized):
    for step in (25, 50, 75, 100):
        assert f"step {step}, sample " in memorized.log
    assert "step 26, sample " not in memorized.log
    sample = memorized.log.split("step 100, sample ")[1]
    reference = sample.split("reference:")[1].split("\n")[0].strip()
    assert sample.split("hypothesis:")[1].split("\n")[0].strip() == reference


def test_keeps_the_best_and_the_newest_checkpoints(memorized):
    checkpoints = memorized.checkpoints()
    assert {STEPS - 4, STEPS} <= checkpoints.keys()
    assert len(checkpoints) <= 4
    assert all(notes["WER"] <= 10 for notes in checkpoints.values())


def test_result_describes_what_was_measured(memorized, corpus):
    result = memorized.result
    assert result["recipe"] == "LibriSpeech/ASR/CTC"
    assert result["model"] == "lact_demo"
    # no option names it
    assert result["dataset"] is None
    assert result["seed"] == 1
    assert result["training_wall_s"] > 0
    assert str(corpus.parent) not in result["command"]
    parameters = memorized.parameters()
    buffers = {"frontend.mel.spectrogram.window", "frontend.mel.mel_scale.fb"}
    trained = [v.numel() for k, v in parameters.items() if k not in buffers]
    assert result["parameters"] == sum(trained)
    assert result["metrics"].keys() == {"dev"}
    assert result["metrics"]["dev"].keys() == {"greedy", "beam"}
    for metrics in result["metrics"]["dev"].values():
        assert metrics["wer"] <= 10
        assert metrics["rtf"] > 0


def test_reports_and_curves_are_written(memorized):
    for name in ("wer_dev.txt", "wer_dev_beam.txt"):
        assert "%WER" in (memorized.folder / name).read_text()
    for name in ("loss", "wer", "learning_rate"):
        with Image.open(memorized.folder / "plots" / f"{name}.png") as image:
            assert image.width > 600
    assert list(memorized.folder.glob("tensorboard/events*"))
    assert "epoch: 27, steps: 108" in (memorized.folder / "train_log.txt").read_text()


def test_run_and_export_transcribe_what_was_learned(memorized, corpus, tmp_path):
    export_model(memorized.folder, tmp_path / "export")
    waveforms = [
        torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        for path in sorted(corpus.glob("dev/*/*/*.flac"))
    ]
    references = read_transcripts(corpus, ["dev"])
    for folder in (memorized.folder, tmp_path / "export"):
        hypotheses = Transcriber.from_folder(folder).transcribe(waveforms)
        matches = [
            h.text == text for h, text in zip(hypotheses, references, strict=True)
        ]
        assert sum(matches) >= 3


def test_tests_again_with_a_language_model(memorized, train, tmp_path):
    folder = shutil.copytree(memorized.folder, tmp_path / "run")
    with redirect_stdout(io.StringIO()):
        ngram([folder / "manifests" / "dev.jsonl"], order=2, output=tmp_path / "lm")
    run = train(
        folder,
        train_splits="[dev]",
        test_splits="[dev, test]",
        d_model=64,
        frontend="{channels: 8, dropout: 0.0}",
        test_only=None,
        decoding=f"{{beam_size: 10, lm: {tmp_path / 'lm'}}}",
    )
    assert run.code == 0
    assert run.steps() == memorized.steps()
    assert run.result["metrics"]["dev"]["beam+lm"]["wer"] <= 10
    assert run.result["metrics"]["test"].keys() == {"greedy", "beam", "beam+lm"}
    # known from the log, up to its last entry
    training_s = memorized.result["training_wall_s"]
    assert run.result["training_wall_s"] == pytest.approx(training_s, rel=0.1)
    assert (folder / "wer_test_beam+lm.txt").exists()


def test_bf16_trains_and_is_measured_in_float32(train, tmp_path, monkeypatch):
    precisions = set()
    compute_forward = CTCBrain.compute_forward

    def observe(brain, batch, stage):
        precisions.add((stage.name, torch.is_autocast_enabled("cpu")))
        return compute_forward(brain, batch, stage)

    monkeypatch.setattr(CTCBrain, "compute_forward", observe)
    run = train(tmp_path, precision="bf16", num_epochs=2)
    assert run.code == 0
    assert precisions == {("TRAIN", True), ("VALID", False), ("TEST", False)}
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert losses[-1] < losses[0]
    assert {v.dtype for v in run.parameters().values()} == {torch.float32}


def test_accumulates_gradients(train, tmp_path):
    run = train(tmp_path, grad_accumulation_factor=3, num_epochs=2)
    # 10 batches an epoch, of which the last is a step of its own
    assert run.steps() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert run.checkpoints().keys() == {4, 8}


def test_debug_mode_tries_every_step(train, tmp_path):
    run = train(tmp_path, debug=None, num_epochs=5)
    assert run.code == 0
    # nothing is kept
    assert not run.folder.exists() or not [*run.folder.iterdir()]
