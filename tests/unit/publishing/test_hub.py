import json
import logging
import socket

import pytest
import yaml
from huggingface_hub import EvalResultEntry, constants, eval_result_entries_to_yaml
from safetensors.torch import load

from lact_modules import hub_session
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from lact_modules.model_store import hub as module
from lact_modules.model_store.export import (
    TRANSFORMERS_FILES,
    export_model,
    load_export,
)
from lact_modules.model_store.hub import check_repo_id, fetch_model
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import load_run
from lact_modules.publishing.hub import ATTEMPTS, push_model
from tests.fake_hub import TOKEN

RESULT = {
    "recipe": "LibriSpeech/ASR/CTC",
    "dataset": "digits",
    "command": "python train.py hparams/lact_demo.yaml",
    "metrics": {
        "test": {
            "greedy": {"wer": 2.5, "cer": 1.25, "rtf": 0.1},
            "beam+lm": {"wer": 1.5, "cer": 0.75, "rtf": 0.2},
        }
    },
}
PUBLISHED = {
    *("README.md", "config.json", "hparams.yaml", "model.safetensors"),
    *("hyperparams.yaml", "result.json", "vocabulary.txt"),
    *TRANSFORMERS_FILES,
}


@pytest.fixture
def run(run_copy):
    (run_copy / "result.json").write_text(json.dumps(RESULT))
    return run_copy


def metadata_of(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_a_published_run_can_be_loaded_back(hub, run):
    assert push_model(run, "me/digits") == f"{hub.url}/me/digits"
    assert hub.files["me/digits"].keys() == PUBLISHED
    assert hub.num_commits == 1
    loaded, trained = load_model("me/digits"), load_run(run)
    assert loaded.vocabulary == trained.vocabulary
    weights = trained.model.state_dict()
    for name, tensor in loaded.model.state_dict().items():
        assert tensor.equal(weights[name]), name


def test_the_export_is_kept_beside_the_run(hub, run):
    push_model(run, "me/digits")
    content = (run / "export" / "model.safetensors").read_bytes()
    assert hub.files["me/digits"]["model.safetensors"] == content
    # once more, over the export of before
    push_model(run, "me/digits")
    assert load_export(run / "export")


def test_the_card_has_what_was_measured(hub, run):
    push_model(run, "me/digits")
    card = hub.files["me/digits"]["README.md"].decode()
    assert "lact-asr transcribe --model me/digits" in card
    assert 'model="me/digits", trust_remote_code=True' in card
    assert "| test | beam+lm | 1.50 | 0.75 |" in card
    metadata = metadata_of(card)
    assert metadata["pipeline_tag"] == "automatic-speech-recognition"
    assert metadata["library_name"] == "transformers"
    assert metadata["metrics"] == ["wer", "cer"]
    [index] = metadata["model-index"]
    [result] = index["results"]
    assert result["dataset"] == {"name": "digits", "type": "digits", "split": "test"}
    values = {each["name"]: each["value"] for each in result["metrics"]}
    assert values == {
        "WER (greedy)": 2.5,
        "CER (greedy)": 1.25,
        "WER (beam+lm)": 1.5,
        "CER (beam+lm)": 0.75,
    }


def test_data_without_a_name_have_none_on_the_card(hub, run):
    result = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**result, "dataset": None}))
    push_model(run, "me/digits")
    card = hub.files["me/digits"]["README.md"].decode()
    [index] = metadata_of(card)["model-index"]
    assert index["results"][0]["dataset"]["name"] == "unknown"
    assert " on None" not in card


def test_a_model_that_was_not_tested_has_a_card_without_results(hub, run):
    (run / "result.json").unlink()
    push_model(run, "me/digits")
    card = hub.files["me/digits"]["README.md"].decode()
    assert "model-index" not in metadata_of(card)
    assert "Results" not in card


def test_settings_name_no_folder_of_this_machine(hub, run):
    with open(run / "hyperparams.yaml", "a") as stream:
        stream.write("data_folder: /home/me/LibriSpeech\n")
    push_model(run, "me/digits")
    settings = yaml.safe_load(hub.files["me/digits"]["hparams.yaml"].splitlines()[-1])
    assert settings == {"data_folder": "LibriSpeech"}


def test_an_export_is_published_with_a_card_of_its_own(hub, run, tmp_path):
    export_model(run, tmp_path / "export")
    (tmp_path / "export" / "README.md").write_text("My model")
    (tmp_path / "export" / "notes.txt").write_text("private")
    push_model(tmp_path / "export", "me/digits")
    files = hub.files["me/digits"]
    assert files.keys() == PUBLISHED - {"hparams.yaml"}
    assert files["README.md"] == b"My model"


def test_what_transformers_reads_may_be_left_out(hub, run):
    push_model(run, "me/digits")
    push_model(run, "me/digits", for_transformers=False)
    files = hub.files["me/digits"]
    assert files.keys() == PUBLISHED - {*TRANSFORMERS_FILES}
    assert b"auto_map" not in files["config.json"]
    assert b"from transformers" not in files["README.md"]
    # an export of its own, too
    push_model(run / "export", "me/digits")
    assert files.keys() == PUBLISHED
    assert b"auto_map" in files["config.json"]


def test_results_of_benchmarks_go_with_the_export(hub, run):
    folder = run / "export" / ".eval_results"
    folder.mkdir(parents=True)
    entry = EvalResultEntry("hf-audio/open-asr-leaderboard", "mean_wer", 5.5)
    path = folder / "open_asr_leaderboard.yaml"
    path.write_text(yaml.safe_dump(eval_result_entries_to_yaml([entry])))
    with pytest.raises(InputError, match="--force"):
        push_model(run, "me/digits")
    export_model(run, run / "export", force=True)
    push_model(run, "me/digits")
    name = ".eval_results/open_asr_leaderboard.yaml"
    assert hub.files["me/digits"][name] == path.read_bytes()
    path.write_text("- wer: 5.5")
    with pytest.raises(InputError, match=r"open_asr_leaderboard\.yaml: no results"):
        push_model(run, "me/digits")


def test_what_belonged_to_another_model_is_removed(hub, run):
    push_model(run, "me/digits")
    (run / "vocabulary.txt").unlink()
    (run / "result.json").unlink()
    SubwordVocabulary.train(["A"], 6).save(run / "tokenizer.model")
    push_model(run, "me/digits")
    assert hub.files["me/digits"].keys() == (
        PUBLISHED - {"vocabulary.txt", "result.json"} | {"tokenizer.model"}
    )
    assert isinstance(load_model("me/digits").vocabulary, SubwordVocabulary)


def test_a_repository_is_private_unless_it_is_to_be_public(hub, run):
    push_model(run, "me/private")
    push_model(run, "me/public", private=False)
    assert hub.visibility == {"me/private": "private", "me/public": "public"}


def test_faults_of_the_server_are_waited_out(hub, run):
    hub.failures = [503] * (ATTEMPTS - 1)
    push_model(run, "me/digits")
    assert hub.failures == []
    assert hub.files["me/digits"].keys() == PUBLISHED


def test_a_failed_upload_leaves_the_model_and_names_how_to_try_again(hub, run):
    hub.failures = [500] * ATTEMPTS
    with pytest.raises(InputError) as caught:
        push_model(run, "me/digits", private=False)
    message = str(caught.value)
    assert f"try again: lact-asr push {run} me/digits --public" in message
    assert "\n" not in message
    assert load_export(run / "export")
    assert load_run(run)


def test_a_refusal_is_not_tried_again(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(InputError, match="401"):
        push_model(run, "me/digits")
    assert hub.num_requests == 1


def test_no_hub_can_be_reached(hub, run, monkeypatch, caplog):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"cannot be uploaded \(no connection to http"):
        push_model(run, "me/digits")
    assert load_export(run / "export")
    # a network that is not there is not waited for as a busy server is
    assert caplog.text.count("trying again") == 1


def test_a_hub_that_never_answers_is_given_up_with_a_word(hub, monkeypatch, caplog):
    monkeypatch.setattr(module, "FETCH_PATIENCE", 0.3)
    monkeypatch.setattr(hub_session, "WARN_AFTER", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        with pytest.raises(InputError, match=f"no answer from {url}"):
            fetch_model("me/digits")
    assert caplog.text.count(f"still waiting for {url}") == 1


def test_the_token_appears_nowhere(hub, run, caplog):
    hub.failures = [500] * ATTEMPTS
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError) as caught:
        push_model(run, "me/digits")
    push_model(run, "me/digits")
    assert "trying again" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in str(caught.value)
    local = [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    for content in [*local, *hub.files["me/digits"].values()]:
        assert TOKEN.encode() not in content


def test_a_token_that_the_server_quotes_is_not_passed_on(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_refused")
    with pytest.raises(InputError, match="no Bearer <token>") as caught:
        push_model(run, "me/digits")
    assert "hf_refused" not in str(caught.value)


@pytest.mark.parametrize("name", ["digits", "a/b/c", "me/--", "me/digits.git", ""])
def test_a_name_that_no_hub_has(name):
    with pytest.raises(InputError) as caught:
        check_repo_id(name)
    assert "\n" not in str(caught.value)


def test_links_out_of_an_export_are_not_uploaded(hub, run, tmp_path):
    export_model(run, tmp_path / "export")
    (tmp_path / "private").write_text("a secret")
    (tmp_path / "export" / "README.md").symlink_to(tmp_path / "private")
    with pytest.raises(InputError, match=r"README.md: links out of its folder"):
        push_model(tmp_path / "export", "me/digits")
    assert hub.num_requests == 0


def test_a_folder_without_a_model_is_not_uploaded(hub, tmp_path):
    with pytest.raises(InputError, match=r"no model: .*config\.json is there"):
        push_model(tmp_path, "me/digits")
    assert hub.files == {}


def test_a_model_that_does_not_exist(hub):
    with pytest.raises(InputError, match="me/nothing: no such folder, and not fetched"):
        load_model("me/nothing")


def test_a_fetched_model_stays_for_when_there_is_no_network(hub, run, monkeypatch):
    push_model(run, "me/digits")
    folder = fetch_model("me/digits")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_model("me/digits") == folder
    names = {path.name for path in folder.iterdir()}
    # least of all code
    assert names == PUBLISHED - {"README.md", "hparams.yaml", *TRANSFORMERS_FILES}
    assert load(hub.files["me/digits"]["model.safetensors"])
