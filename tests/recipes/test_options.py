"""Options on the command line of a recipe, and in YAML files of one's own."""

import os
import re

import pytest
from ruamel.yaml import YAML

from lact_modules.comparison.settings import read_settings
from tests.recipes.conftest import KEYS, RECIPES

# both processes of a training write the name of their folder
WRITE_FOLDER = """
import os, sys
from pathlib import Path
from lact_modules.training.option import keys
from lact_modules.training.launch import launch

def main(hparams, run_opts, command):
    written = Path(sys.argv[-1]) / os.environ["RANK"]
    written.write_text(str(hparams["checkpointer"].checkpoints_dir))

sys.argv = sys.argv[1:]
launch(main, keys.CTC)
"""


@pytest.fixture
def own_yaml(tmp_path):
    """Change a recipe's file: own_yaml(pattern, replacement), its path without end."""

    def change(pattern, replacement):
        path = RECIPES / "LibriSpeech" / "ASR/CTC" / "hparams" / "lact_demo.yaml"
        root = RECIPES.parent / "hparams"
        text = path.read_text().replace("../../../../../hparams", str(root))
        assert re.search(pattern, text)
        (tmp_path / "own.yaml").write_text(re.sub(pattern, replacement, text))
        return tmp_path / "own"

    return change


def test_a_run_records_what_was_run(train, own_yaml, tmp_path):
    """Without augmentation, as in the file, into a folder that YAML would change."""
    yaml = own_yaml(r"(?s)wav_augment:.*?# Decoding", "wav_augment: null\n# Decoding")
    assert "fea_augment" not in YAML().load(yaml.with_suffix(".yaml"))
    options = {"grad_accumulation_factor": 2, "max_grad_norm": 0.01, "seed": 7}
    run = train(tmp_path / "exp #2: [a]=b", hparams=yaml, system="lr=0.1", **options)
    assert run.code == 0, run.error
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        run.folder.name,
        "own.yaml",
    ]
    recorded = run.result["options"]
    assert {key: recorded[key] for key in options} == options
    assert (recorded["system"], recorded["precision"], recorded["device"]) == (
        "lr=0.1",
        "fp32",
        "cpu",
    )
    settings = read_settings(run.folder / "hyperparams.yaml")
    assert (settings["max_grad_norm"], settings["system"]) == ("0.01", "lr=0.1")
    assert run.steps() == [1, 2, 3, 4, 5]


def test_a_key_that_nothing_reads_is_refused(train, own_yaml, tmp_path):
    run = train(tmp_path / "run", hparams=own_yaml(r"\Z", "warmup_step: 3\n"))
    assert run.code == 2
    assert "no key 'warmup_step'; did you mean 'warmup_steps'?" in run.error
    assert not run.folder.exists()


@pytest.mark.parametrize(
    ("dataset", "recipe", "hparams", "option", "message"),
    [
        ("LibriSpeech", "ASR/CTC", "lact_demo", "valid_batch_size=0", "a whole number"),
        ("LibriSpeech", "ASR/CTC", "lact_demo", "test_splits=null", "a list of names"),
        ("LibriSpeech", "ASR/CTC", "lact_demo", "encoder={num_layer: 6}", "num_layers"),
        ("LibriSpeech", "ASR/CTC", "hybrid_demo", "freeze_encoder=1", "true or false"),
        ("LibriSpeech", "ASR/transformer", "lact_demo", "ctc_weight=2", "from 0 to 1"),
        ("LibriSpeech", "ASR/transformer", "lact_demo", "decoder={ffn: {d_fn: 3}}", ""),
        ("LibriSpeech", "LM", "transformer_demo", "max_text_tokens=.nan", "a whole"),
        (
            "LibriSpeech",
            "Tokenizer",
            "unigram_5000",
            "model_type=word",
            "one of unigram",
        ),
        (
            "CommonVoice",
            "ASR/CTC",
            "lact_demo",
            "train_splits=train",
            "a list of names",
        ),
        (
            "CommonVoice",
            "ASR/CTC",
            "lact_demo",
            "preparation={max_rate: x}",
            "a number",
        ),
        ("CommonVoice", "ASR/transformer", "lact_demo", "num_epochs=-1", "a whole"),
    ],
)
def test_mistakes_are_found_at_the_door(
    train, tmp_path, dataset, recipe, hparams, option, message
):
    name, value = option.split("=")
    run = train(tmp_path / "run", recipe, dataset, hparams=hparams, tiny={name: value})
    assert run.code == 2
    [line] = run.error.splitlines()
    assert line.startswith(f"train.py: --{name}")
    assert message in line
    assert not run.folder.exists()


@pytest.mark.parametrize("recipe", KEYS)
def test_keys_that_a_recipe_needs_are_required(train, tmp_path, recipe):
    (tmp_path / "bare.yaml").write_text("seed: 1\noutput_folder: x\n")
    run = train(tmp_path / "run", recipe, hparams=tmp_path / "bare", tiny={})
    assert run.code == 2
    assert re.search("lacks the key '[a-z_]+'; expected ", run.error)


def test_processes_that_debug_share_a_folder_that_is_not_the_runs(
    train_apart, tmp_path
):
    script = tmp_path / "write.py"
    script.write_text(WRITE_FOLDER)
    written = tmp_path / "written"
    written.mkdir()
    run = train_apart(
        script,
        tmp_path / "run",
        launcher=["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"],
        distributed_backend="gloo",
        debug=None,
        system=written,
    )
    assert run.code == 0, run.error
    first, second = ((written / rank).read_text() for rank in "01")
    assert first == second
    assert not os.path.exists(first)
    assert not run.folder.exists()
