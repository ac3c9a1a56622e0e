def test_a_model_is_published_and_used_by_its_id(
    lact_asr, hub, trained_run, run_copy, audio_folder
):
    finished = lact_asr("push", run_copy, "me/digits")
    assert finished.code == 0, finished.err
    assert finished.out == f"{hub.url}/me/digits\n"
    assert hub.visibility == {"me/digits": "private"}
    outputs = [
        lact_asr("transcribe", audio_folder, "--model", model).out
        for model in (trained_run, "me/digits")
    ]
    assert outputs[0] == outputs[1] != ""


def test_a_refused_upload_is_one_line_and_code_2(lact_asr, hub, run_copy, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    finished = lact_asr("push", run_copy, "me/digits", "--public")
    assert finished.code == 2
    assert finished.err.count("\n") == 1
    assert f"try again: lact-asr push {run_copy} me/digits --public" in finished.err
    assert "hf_another" not in finished.err
    assert (run_copy / "export" / "model.safetensors").is_file()
