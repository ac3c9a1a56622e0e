import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lact_modules.model_store.export import load_export
from lact_modules.model_store.loading import load_model
from lact_modules.publishing.hub import ATTEMPTS
from tests.fake_hub import TOKEN


def read_events(run, name="tensorboard"):
    events = EventAccumulator(str(run.folder / name), {"audio": 0})
    events.Reload()
    return events


def test_a_tracker_shows_curves_samples_and_the_worst_utterances(memorized):
    events = read_events(memorized)
    for name in ("loss", "lr", "grad_norm"):
        steps = [event.step for event in events.Scalars(f"train/{name}")]
        assert steps == memorized.steps()
    for name in ("loss", "wer", "cer"):
        steps = [event.step for event in events.Scalars(f"dev/{name}")]
        assert steps == memorized.steps("dev")
    [tested] = events.Scalars("dev/greedy/wer")
    measured = memorized.result["metrics"]["dev"]["greedy"]
    assert tested.value == pytest.approx(measured["wer"])
    samples = events.Tensors("sample/text_summary")
    assert [event.step for event in samples] == [25, 50, 75, 100]
    assert b"hypothesis:" in samples[0].tensor_proto.string_val[0]
    # all four were wrong at first
    assert {"worst/1", "worst/2", "worst/3"} == {*events.Tags()["audio"]}
    assert events.Audio("worst/1")[0].sample_rate == 16000
    settings = events.summary_metadata["_hparams_/session_start_info"]
    assert b"learning_rate" in settings.plugin_data.content


def test_a_run_without_trackers_keeps_its_own_log_and_speechbrains(train, tmp_path):
    logger = "speechbrain.utils.train_logger.TensorboardLogger"
    epochs = f"!new:{logger} {{save_dir: {tmp_path / 'epochs'}}}"
    run = train(tmp_path, trackers="[]", train_logger=epochs)
    assert run.code == 0, run.error
    assert run.steps() == list(range(1, 11))
    assert not (tmp_path / "tensorboard").exists()
    [trained] = read_events(run, "epochs").Scalars("loss/train")
    assert trained.value > 0


def test_a_trained_model_is_published(train, hub, tmp_path):
    run = train(tmp_path / "run", push_to_hub="me/digits", hub_private="False")
    assert run.code == 0, run.error
    assert hub.visibility == {"me/digits": "public"}
    assert f"published at {hub.url}/me/digits" in run.log
    assert b"| test | greedy |" in hub.files["me/digits"]["README.md"]
    assert load_model("me/digits").vocabulary == load_model(run.folder).vocabulary
    for path in run.folder.rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes(), path


def test_a_failed_upload_is_a_warning(train, hub, tmp_path):
    hub.failures = [500] * ATTEMPTS
    run = train(tmp_path / "run", push_to_hub="me/digits")
    assert run.code == 0
    assert f"try again: lact-asr push {run.folder} me/digits" in run.log
    assert run.result["metrics"]
    assert load_export(run.folder / "export")


def test_a_bad_name_is_refused_before_the_training(train, tmp_path):
    run = train(tmp_path, push_to_hub="digits")
    assert run.code == 2
    assert "give organization/name" in run.error
    assert not (tmp_path / "metrics.jsonl").exists()
