"""Run the recipes as a user does, on a tiny spoken corpus."""

import contextlib
import functools
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml

from lact_modules.data.synthetic.corpus import make_corpus
from lact_modules.training.launch import launch
from lact_modules.training.option import keys

RECIPES = Path(__file__).parents[2] / "recipes"

KEYS = {
    "ASR/CTC": keys.CTC,
    "ASR/transformer": keys.S2S,
    "LM": keys.LANGUAGE_MODEL,
    "Tokenizer": keys.TOKENIZER,
}

# 20 utterances, however long, make 10 batches
TINY = {
    "device": "cpu",
    "d_model": 32,
    "encoder": "{num_layers: 1, dropout: 0.0}",
    "frontend": "{channels: 4, dropout: 0.0}",
    "num_epochs": 1,
    "max_batch_length": 1000,
    "max_batch_size": 2,
    "warmup_steps": 5,
    "log_interval": 1,
}


class Run(NamedTuple):
    """A finished run: its exit code, its output folder, and its output."""

    code: int
    folder: Path
    error: str

    @property
    def log(self):
        return (self.folder / "log.txt").read_text()

    @property
    def result(self):
        return json.loads((self.folder / "result.json").read_text())

    def metrics(self, split):
        lines = (self.folder / "metrics.jsonl").read_text().splitlines()
        return [m for m in map(json.loads, lines) if m["split"] == split]

    def steps(self, split="train"):
        return [entry["step"] for entry in self.metrics(split)]

    def checkpoints(self):
        """Notes of each complete checkpoint by its optimizer step."""
        found = {}
        for mark in self.folder.glob("save/CKPT*/CKPT.yaml"):
            brain = yaml.safe_load((mark.parent / "brain.ckpt").read_text())
            found[brain["optimizer_step"]] = yaml.safe_load(mark.read_text())
        return found

    def parameters(self):
        """The newest checkpoint's."""
        newest = max(
            self.folder.glob("save/CKPT*/CKPT.yaml"),
            key=lambda mark: yaml.safe_load(mark.read_text())["unixtime"],
        )
        return torch.load(newest.parent / "model.ckpt", weights_only=True)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, train=20, dev=4, test=4, workers=1)
    return folder / "LibriSpeech"


@functools.cache
def import_script(path):
    name = "_".join(path.relative_to(path.anchor).with_suffix("").parts)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def command(corpus):
    """Make a command line; an option whose value is None is a flag."""

    def make(
        folder,
        recipe="ASR/CTC",
        dataset="LibriSpeech",
        hparams="lact_demo",
        tiny=TINY,
        **options,
    ):
        options = {"data_folder": corpus, "output_folder": folder, **tiny, **options}
        hparams = RECIPES / dataset / recipe / "hparams" / f"{hparams}.yaml"
        words = [str(hparams), "--noprogressbar"]
        for name, value in options.items():
            words += [f"--{name}"] if value is None else [f"--{name}", str(value)]
        return words

    return make


@pytest.fixture(scope="session")
def train(command, own_logging):
    """Run a recipe in this process."""

    def run(folder, recipe="ASR/CTC", dataset="LibriSpeech", script=None, **options):
        error = io.StringIO()
        code = 0
        script = script or RECIPES / dataset / recipe / "train.py"
        with pytest.MonkeyPatch.context() as patch, own_logging():
            words = command(folder, recipe, dataset, **options)
            patch.setattr(sys, "argv", ["train.py", *words])
            try:
                with contextlib.redirect_stderr(error):
                    launch(import_script(script).main, KEYS[recipe])
            except SystemExit as stop:
                code = stop.code
        return Run(code, Path(folder), error.getvalue())

    return run


@pytest.fixture(scope="session")
def train_apart(command):
    """Run a script that ends in train.py's work in a process of its own."""

    def run(script, folder, launcher=(), **options):
        python = [sys.executable, *launcher, str(script)]
        train_py = str(RECIPES / "LibriSpeech" / "ASR/CTC/train.py")
        finished = subprocess.run(
            [*python, train_py, *command(folder, **options)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Run(finished.returncode, Path(folder), finished.stderr)

    return run


@pytest.fixture(scope="session")
def by_heart():
    """Options to learn four sentences by heart, in four batches an epoch."""
    return {
        "train_splits": "[dev]",
        "test_splits": "[dev]",
        "d_model": 64,
        "frontend": "{channels: 8, dropout: 0.0}",
        "wav_augment": "{augment_prob: 0.0}",
        "fea_augment": "{augment_prob: 0.0}",
        "pause_prob": 0.0,
        "learning_rate": 0.005,
        "warmup_steps": 20,
        "max_batch_size": 1,
        "avg_checkpoints": 2,
    }


@pytest.fixture(scope="session")
def memorized(train, by_heart, tmp_path_factory):
    """Learn four sentences by heart; not to be changed."""
    return train(
        tmp_path_factory.mktemp("memorized"),
        num_epochs=27,
        sample_interval=25,
        valid_interval=50,
        checkpoint_interval=50,
        decoding="{beam_size: 5}",
        **by_heart,
    )
