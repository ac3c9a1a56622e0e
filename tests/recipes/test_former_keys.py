"""YAML files and runs of versions that called keys otherwise."""

import re
from pathlib import Path

import pytest

from lact_modules.comparison.runs import Run
from lact_modules.former_keys import FORMER_KEYS
from lact_modules.model_store.loading import load_model

ROOT = Path(__file__).parents[2]
FORMER = """
stream_utterances: 2
stages: [{epochs: [1, 1], rates: {output: 0.01}}]
"""
OPTIONS = {"optimizer_step_limit": 1, "test_splits": "[dev]"}


def test_a_file_of_former_names_trains_and_a_run_of_them_is_read(train, tmp_path):
    recipe = ROOT / "recipes/LibriSpeech/ASR/CTC/hparams/lact_demo.yaml"
    text = re.sub(r"(\.\./)+hparams", str(ROOT / "hparams"), recipe.read_text())
    former = tmp_path / "former.yaml"
    former.write_text(text + FORMER)
    with pytest.warns(FutureWarning) as warnings:
        run = train(
            tmp_path / "run", hparams=former.with_suffix(""), arm="a", **OPTIONS
        )
    assert run.code == 0, run.error
    ours = [w for w in warnings if "is now called" in str(w.message)]
    assert [w.filename for w in ours] == [str(former), "command line"]
    options = run.result["options"]
    assert (options["system"], options["long_form_utterances"]) == ("a", 2)
    assert not FORMER_KEYS.keys() & options.keys()
    # only the output was trained, in batches of pairs
    assert "epochs 1 to 1" in run.log
    # a run of an earlier version has former names in its settings
    settings = run.folder / "hyperparams.yaml"
    was = Run.from_folder(run.folder)
    former_settings = settings.read_text()
    for name, present in FORMER_KEYS.items():
        former_settings = re.sub(rf"(?m)^{present}:", f"{name}:", former_settings)
    assert "\nstages:" in former_settings
    settings.write_text(former_settings)
    assert Run.from_folder(run.folder).settings == was.settings
    assert load_model(run.folder).vocabulary.tokens
