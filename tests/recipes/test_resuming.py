"""A training that continues in other batches than it began with."""

import json
import os
import signal

import numpy as np
import pytest
import torch

from lact_modules.data.corpus.librispeech import prepare_librispeech
from lact_modules.data.manifest.manifest import read_manifest, write_manifest
from lact_modules.training.batch.samplers import BucketBatchSampler
from lact_modules.training.loop import RecipeBrain
from lact_modules.training.schedules import warmup_cosine

OPTIONS = {"num_epochs": 2, "in_memory": False}
TWO_PROCESSES = {
    "launcher": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"],
    "distributed_backend": "gloo",
}
# 20 utterances in batches of two; stopped in the second epoch
STOP_AT = 14

# Each process writes down what it trains on, and may stop.
RECORD = """
import json, os, runpy, signal, sys
from lact_modules.training.loop import RecipeBrain

fit_batch = RecipeBrain.fit_batch

def record(self, batch):
    loss = fit_batch(self, batch)
    rank, epoch = os.environ.get("RANK", 0), self.hparams.epoch_counter.current
    with open(f"{self.hparams.output_folder}/seen{rank}.jsonl", "a") as stream:
        stream.write(json.dumps([epoch, list(batch.id)]) + "\\n")
    if self.optimizer_step == STOP_AT:
        os.kill(os.getpid(), signal.SIGTERM)
    return loss

RecipeBrain.fit_batch = record
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture
def record(train, monkeypatch):
    """Train, stop after an optimizer step, and return the ids seen in each epoch."""

    def run(folder, stop_at=None, **options):
        seen = {1: [], 2: []}
        fit_batch = RecipeBrain.fit_batch

        def record(brain, batch):
            loss = fit_batch(brain, batch)
            seen[brain.hparams.epoch_counter.current] += batch.id
            if brain.optimizer_step == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            return loss

        with monkeypatch.context() as patch:
            patch.setattr(RecipeBrain, "fit_batch", record)
            return train(folder, **{**OPTIONS, **options}), seen

    return run


@pytest.fixture
def utterances(corpus, tmp_path):
    return read_manifest(prepare_librispeech(corpus, tmp_path, ["train"])["train"])


def assert_goes_on(run, num_batches):
    """Steps are counted on, and the rates are those of the share that is done."""
    entries = run.metrics("train")
    assert run.steps() == list(range(1, len(entries) + 1))
    epochs = [entry["epoch"] for entry in entries]
    assert epochs == sorted(epochs)
    assert epochs[STOP_AT - 1] == pytest.approx(1.4)
    assert epochs[-1] == 2
    # a step ends an epoch of two; equal parts of what was left
    added = torch.tensor(epochs[STOP_AT - 1 :]).diff()
    torch.testing.assert_close(added, added.mean().expand_as(added), atol=2e-4, rtol=0)
    total = 2 * num_batches
    for before, entry in zip(entries[STOP_AT - 1 :], entries[STOP_AT:], strict=False):
        step = before["epoch"] * num_batches
        assert entry["lr"] == pytest.approx(
            0.002 * warmup_cosine(step, total, warmup_steps=5), abs=1e-6
        )
    assert run.result["metrics"]


@pytest.mark.parametrize(
    ("change", "num_batches"),
    [
        ({"max_batch_size": 5}, None),
        ({"max_batch_length": 4}, None),
        ({"grad_accumulation_factor": 4}, 3),
        ({"target_effective_batch": 8}, 3),
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else "",
)
def test_other_batches(record, utterances, tmp_path, change, num_batches):
    stopped, before = record(tmp_path / "run", stop_at=STOP_AT)
    assert stopped.code == 143
    resumed, after = record(tmp_path / "run", **change)
    assert resumed.code == 0
    assert len(before[2]) == 8
    assert sorted(before[2] + after[2]) == sorted(u.id for u in utterances)
    if num_batches is None:
        bounds = {"max_batch_length": 1000, "max_batch_size": 2, **change}
        sampler = BucketBatchSampler([u.duration for u in utterances], **bounds)
        num_batches = len(sampler.rounds(np.arange(20), epoch=1))
    assert_goes_on(resumed, num_batches)


def test_other_data(record, utterances, tmp_path):
    manifest = tmp_path / "own.jsonl"
    write_manifest(manifest, utterances[:12])
    options = {"train_manifest": manifest}
    stopped, before = record(tmp_path / "run", stop_at=9, **options)
    assert stopped.code == 143
    write_manifest(manifest, utterances)
    resumed, after = record(tmp_path / "run", **options)
    assert resumed.code == 0
    assert sorted(before[2] + after[2]) == sorted(u.id for u in utterances)
    epochs = [entry["epoch"] for entry in resumed.metrics("train")]
    # three of six batches, and then seven
    assert epochs[8:] == pytest.approx([1.5 + n / 14 for n in range(8)], abs=1e-3)


def seen_by(folder):
    """Ids that processes have written down, of the second epoch."""
    lines = [
        json.loads(line)
        for path in folder.glob("seen*.jsonl")
        for line in path.read_text().splitlines()
    ]
    return [name for epoch, ids in lines if epoch == 2 for name in ids]


def test_another_number_of_processes_and_back(
    record, train_apart, utterances, tmp_path
):
    script, run = tmp_path / "record.py", tmp_path / "run"
    _, before = record(run, stop_at=STOP_AT)
    # the epoch has six batches left, three a process; one is had
    script.write_text(RECORD.replace("STOP_AT", str(STOP_AT + 1)))
    stopped = train_apart(script, run, **TWO_PROCESSES, **OPTIONS)
    assert stopped.checkpoints().keys() >= {STOP_AT + 1}, stopped.error
    resumed, after = record(run)
    assert resumed.code == 0
    seen = before[2] + seen_by(run) + after[2]
    assert sorted(seen) == sorted(u.id for u in utterances)
    assert len(seen_by(run)) == 4
    # five batches a process would make an epoch
    epochs = [entry["epoch"] for entry in resumed.metrics("train")]
    assert epochs[STOP_AT - 1 : STOP_AT + 1] == pytest.approx([1.4, 1.6])
    assert epochs[-1] == 2
    assert resumed.steps() == list(range(1, len(epochs) + 1))
