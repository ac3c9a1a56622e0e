from lact_modules.model_store.export import TRANSFORMERS_FILES


def test_an_export_is_written_and_described(lact_asr, trained_run, tmp_path):
    finished = lact_asr("export", trained_run, tmp_path / "a" / "export")
    assert finished.code == 0
    assert "6 tokens, 25 frames/s" in finished.out
    assert (tmp_path / "a" / "export" / "model.safetensors").is_file()


def test_another_number_of_checkpoints(lact_asr, trained_run, tmp_path):
    weights = []
    for num in (1, 2, 3):
        folder = tmp_path / str(num)
        lact_asr("export", trained_run, folder, "--avg-checkpoints", num)
        weights.append((folder / "model.safetensors").read_bytes())
    assert len(set(weights)) == 3


def test_other_files_are_not_overwritten(lact_asr, trained_run, tmp_path):
    (tmp_path / "config.json").write_text("mine")
    finished = lact_asr("export", trained_run, tmp_path)
    assert finished.code == 2
    assert finished.err.count("\n") == 1
    assert lact_asr("export", trained_run, tmp_path, "--force").code == 0


def test_an_export_for_transformers_is_an_export(
    lact_asr, trained_run, audio_folder, tmp_path
):
    plain, both = tmp_path / "plain", tmp_path / "both"
    assert lact_asr("export", trained_run, plain).code == 0
    finished = lact_asr("export", plain, both, "--format", "transformers")
    assert finished.code == 0, finished.err
    assert {path.name for path in both.iterdir()} - {
        path.name for path in plain.iterdir()
    } == {*TRANSFORMERS_FILES}
    weights = [(folder / "model.safetensors").read_bytes() for folder in (plain, both)]
    assert weights[0] == weights[1]
    outputs = [
        lact_asr("transcribe", audio_folder, "--model", folder).out
        for folder in (trained_run, both)
    ]
    assert outputs[0] == outputs[1] != ""
    # and back again
    assert lact_asr("export", both, both).code == 0
    assert {path.name for path in both.iterdir()} == {
        path.name for path in plain.iterdir()
    }


def test_an_export_has_no_checkpoints(lact_asr, trained_run, tmp_path):
    lact_asr("export", trained_run, tmp_path / "a")
    finished = lact_asr("export", tmp_path / "a", tmp_path / "b", "--avg-checkpoints=2")
    assert finished.code == 2
    assert "no checkpoints to average" in finished.err


def test_no_run(lact_asr, tmp_path):
    finished = lact_asr("export", tmp_path, tmp_path / "export")
    assert finished.code == 2
    assert "hyperparams.yaml" in finished.err
    assert not (tmp_path / "export").exists()


def test_an_unknown_format_is_refused_with_those_there_are(lact_asr, tmp_path):
    finished = lact_asr("export", tmp_path, tmp_path / "e", "--format", "pickle")
    assert finished.code == 2
    assert "'lact'" in finished.err
