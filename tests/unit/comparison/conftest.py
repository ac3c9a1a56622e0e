"""Folders as finished trainings leave them, without training."""

import json
import random

import pytest
import yaml

from lact_modules.comparison.runs import Run, group_runs
from lact_modules.scoring.error_rate import score
from lact_modules.scoring.transcripts import write_transcripts
from lact_modules.training.outcome.result import write_result

WORDS = ["ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"]

HYPERPARAMETERS = """
seed: {seed}
__set_seed: !apply:torch.manual_seed [{seed}]
output_folder: {folder}
save_folder: {folder}/save
train_splits: [train]
num_epochs: {num_epochs}
learning_rate: {learning_rate}
d_model: {d_model}
encoder: &id001 !new:lact_modules.encoders.Encoder
  d_model: {d_model}
  mixer: !name:lact_modules.layers.{mixer}
    num_heads: 4
model: !new:lact_modules.encoders.CTCModel
  encoder: *id001
decoding:
  beam_size: {beam_size}
  lm: {folder}/lm.arpa
opt_class: !name:torch.optim.AdamW
  lr: {learning_rate}
train_logger: !new:speechbrain.utils.train_logger.FileTrainLogger
  save_file: {folder}/train_log.txt
"""

SETTINGS = {
    "num_epochs": 20,
    "learning_rate": 0.002,
    "d_model": 96,
    "mixer": "LaCTMixer",
    "beam_size": 50,
}


def references(split, num_utterances=40):
    choose = random.Random(split)
    return [" ".join(choose.choices(WORDS, k=5)) for _ in range(num_utterances)]


def mishear(texts, errors, seed):
    """Get wrong that share of the words."""
    choose = random.Random(seed)
    return [
        " ".join("OH" if choose.random() < errors else word for word in text.split())
        for text in texts
    ]


def write_log(path, steps):
    with open(path, "w") as stream:
        for step in range(10, steps + 1, 10):
            entry = {"step": step, "training_s": step / 4, "loss": 100 / step}
            stream.write(json.dumps({**entry, "split": "train"}) + "\n")
            if step % 50 == 0:
                entry |= {"split": "dev", "wer": 2000 / step}
                stream.write(json.dumps(entry) + "\n")


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """Write a run's folder."""
    # the checkout may change while tests run
    monkeypatch.setattr(
        "lact_modules.training.outcome.result.source_commit", lambda: None
    )

    def make(
        model="lact_demo",
        seed=1,
        errors=0.1,
        splits=("test",),
        steps=400,
        parameters=1_000_000,
        texts=references,
        **settings,
    ):
        folder = tmp_path / f"{model}_{seed}_{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        values = {**SETTINGS, "seed": seed, "folder": folder, **settings}
        more = {name: settings[name] for name in settings if name not in SETTINGS}
        lines = HYPERPARAMETERS.format(**values) + yaml.safe_dump(more) * bool(more)
        (folder / "hyperparams.yaml").write_text(lines)
        write_log(folder / "metrics.jsonl", steps)
        metrics = {}
        for split in splits:
            references, metrics[split] = texts(split), {}
            for suffix, factor in (("", 1), ("_beam+lm", 0.5)):
                hypotheses = mishear(references, factor * errors, seed)
                ids = [f"{split}-{index}" for index in range(len(references))]
                name = f"transcripts_{split}{suffix}.jsonl"
                write_transcripts(folder / name, ids, references, hypotheses)
                decoding = suffix.removeprefix("_") or "greedy"
                rates = vars(score(references, hypotheses, num_bootstrap=0))
                metrics[split][decoding] = {**rates, "rtf": 0.01}
        write_result(
            folder / "result.json",
            metrics,
            recipe="LibriSpeech/ASR/CTC",
            model=model,
            dataset="digits",
            parameters=parameters,
            seed=seed,
            command=["train.py", f"hparams/{model}.yaml"],
            training_wall_s=steps / 4,
        )
        return folder

    return make


@pytest.fixture
def systems(make_run):
    """Two systems of two seeds each; the second one is much worse."""
    folders = [
        make_run(model, seed, errors, mixer=mixer)
        for seed in (1, 2)
        for model, errors, mixer in (
            ("lact_demo", 0.05, "LaCTMixer"),
            ("conformer_demo", 0.3, "AttentionMixer"),
        )
    ]
    return group_runs(map(Run.from_folder, folders))
