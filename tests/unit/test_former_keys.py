import pytest

from lact_modules.errors import InputError
from lact_modules.former_keys import FORMER_KEYS
from lact_modules.training.checkpointing.history import OptionHistory
from lact_modules.training.option.command_line import read_command_line
from lact_modules.training.option.hparams import read_settings
from lact_modules.training.option.keys import CTC, EVERY
from lact_modules.training.option.usage import show_usage

STAGES = "[{epochs: [1, 2], rates: {output: 0.1}}]"
YAML = f"""
# stages: in a comment
seed: 1
arm: first
stages: {STAGES}
stream_seconds: 9.0
half: !ref <stream_seconds> / 2
notes:
    stages: in another key
    text: "
      arm: in a text"
"""
PRESENT = {"seed", "system", "unfreezing_stages", "long_form_seconds", "half", "notes"}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "former.yaml"
    file.write_text(YAML)
    return file


def settings_of(path, *words):
    return read_settings(path, read_command_line([*words], EVERY).overrides)


def test_former_names_are_no_keys_and_present_ones_are():
    assert not FORMER_KEYS.keys() & EVERY.keys()
    assert {*FORMER_KEYS.values()} <= EVERY.keys()


def test_a_file_of_former_names_is_read_with_one_warning(path):
    with pytest.warns(FutureWarning) as caught:
        settings = settings_of(path)
    [warning] = caught
    assert (warning.filename, warning.lineno) == (str(path), 4)
    assert str(warning.message) == (
        "arm is now called system, stages is now called unfreezing_stages, "
        "stream_seconds is now called long_form_seconds"
    )
    assert settings.named == PRESENT | {"sizes"}
    assert settings.values["system"] == "first"
    assert settings.values["long_form_seconds"] == 2 * settings.values["half"] == 9
    assert settings.values["notes"]["stages"] == "in another key"
    assert "arm: in a text" in settings.values["notes"]["text"]


def test_former_names_on_the_command_line(path):
    present = path.with_name("present.yaml")
    present.write_text("seed: 1\n")
    words = ["--arm", "lr=0.1 # 2", "--last_stage_epochs=3", "--stages", STAGES]
    with pytest.warns(FutureWarning, match="--arm is now called --system, ") as caught:
        settings = settings_of(present, *words)
    assert [warning.filename for warning in caught] == ["command line"]
    assert settings.values["system"] == "lr=0.1 # 2"
    assert settings.values["long_form_finetune_epochs"] == 3
    assert settings.values["unfreezing_stages"][0]["epochs"] == [1, 2]
    assert {"arm", "last_stage_epochs", "stages"}.isdisjoint(settings.overrides)
    assert settings.given >= {"system", "long_form_finetune_epochs"}


@pytest.mark.parametrize("key", ["--system", "--arm"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_command_line_replaces_values_of_a_file_by_either_name(path, key):
    assert settings_of(path, key, "second").values["system"] == "second"


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_both_names_are_refused(path):
    named = "'arm' is the former name of 'system', and both are given; keep 'system'"
    with pytest.raises(InputError, match=f"command line: {named}"):
        settings_of(path, "--system", "a", "--arm", "b")
    path.write_text(YAML + "system: third\n")
    with pytest.raises(InputError, match=f"former.yaml: {named}"):
        settings_of(path)


@pytest.mark.parametrize(
    "text",
    [
        "  seed: 1\n  stream_seconds: 9.0\n",
        "seed: 1\n? stream_seconds\n: 9.0\n",
        "\ufeffstream_seconds: 9.0\nseed: 1\n",
        "{seed: 1, 'stream_seconds': 9.0}\n",
        "seed: 1\nlong_form_seconds: 9.0\nnotes: |\n  stream_seconds: 1\n",
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_keys_are_found_where_yaml_has_them(path, text):
    path.write_text(text)
    settings = settings_of(path)
    assert settings.values["long_form_seconds"] == 9
    assert settings.values.get("notes") in (None, "stream_seconds: 1\n")


def test_references_to_defaults_of_former_names(path):
    path.write_text("seed: !ref <stream_utterances> + 4\nnotes: <arm>\n")
    with pytest.warns(FutureWarning, match="^stream_utterances is now called long"):
        settings = settings_of(path)
    assert settings.values["seed"] == 5
    # text without a tag refers to nothing
    assert settings.values["notes"] == "<arm>"


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_references_on_the_command_line(path, as_text):
    value = "!ref <stream_seconds> * 2"
    if as_text:
        settings = read_settings(path, f"last_stage_seconds: {value}\n")
    else:
        settings = settings_of(path, "--last_stage_seconds", value)
    assert settings.values["long_form_finetune_seconds"] == 18


@pytest.mark.parametrize(
    ("misspelt", "present"),
    [
        ("last_stage_second", "long_form_finetune_seconds"),
        ("stream_utterance", "long_form_utterances"),
        ("stagess", "unfreezing_stages"),
        ("long_form_second", "long_form_seconds"),
    ],
)
def test_misspelt_former_names_lead_to_present_ones(path, misspelt, present):
    path.write_text("seed: 1\n")
    with pytest.raises(InputError, match=f"did you mean '{present}'"):
        settings_of(path, f"--{misspelt}", "2")


def test_a_fault_has_the_present_name(path):
    path.write_text("seed: 1\nstream_order: backwards\n")
    with (
        pytest.warns(FutureWarning),
        pytest.raises(InputError, match="--long_form_order backwards: expected one of"),
    ):
        settings_of(path)


def test_sizes_of_former_names(path):
    path.write_text("seed: 1\nsizes: .\nlong_form_utterances: 2\n")
    size = path.with_name("small.yaml")
    size.write_text("stream_utterances: 4\n")
    with pytest.warns(FutureWarning, match="stream_utterances is now called") as caught:
        settings = settings_of(path, "--size", "small")
    assert [warning.filename for warning in caught] == [str(size)]
    assert settings.values["long_form_utterances"] == 4


def test_help_explains_a_file_of_former_names(path, capsys):
    show_usage("train.py", str(path), CTC)
    words = capsys.readouterr().out.split()
    assert words.count("--system") == 1
    assert "--arm" not in words


def test_a_resumed_run_has_not_changed_what_is_only_called_otherwise():
    history = OptionHistory("long_form_seconds: 9.0\nseed: 1\n")
    past = [{"step": 10, "stream_seconds": [7.0, 9.0]}]
    options = "stream_seconds: 9.0\nseed: 1\n"
    history.load({"options": options, "changed_options": past})
    history.train(step=40)
    assert history.changed_options == [{"step": 10, "long_form_seconds": [7.0, 9.0]}]
    history = OptionHistory("long_form_seconds: 8.0\nseed: 1\n")
    history.load({"options": options, "changed_options": []})
    history.train(step=40)
    assert history.changed_options == [{"step": 40, "long_form_seconds": [9.0, 8.0]}]
