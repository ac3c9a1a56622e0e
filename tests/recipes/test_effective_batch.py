import pytest

from lact_modules.data.synthetic.corpus import make_corpus
from lact_modules.encoders import CTCModel
from lact_modules.training.loop import RecipeBrain

# 20 utterances make 3 steps an epoch, the last of 4; nothing is drawn at random
OPTIONS = {
    "target_effective_batch": 8,
    "max_batch_size": 4,
    "num_epochs": 2,
    "wav_augment": "{augment_prob: 0.0}",
    "fea_augment": "{augment_prob: 0.0}",
    "pause_prob": 0.0,
}

# Rank 1 has memory for less than is asked for.
RUN_OUT_OF_MEMORY = """
import os, runpy, sys
import torch
from lact_modules.encoders import CTCModel

forward = CTCModel.forward

def forward_or_fail(self, waveform, *arguments):
    if self.training and os.environ["RANK"] == "1" and len(waveform) > {limit}:
        raise torch.OutOfMemoryError
    return forward(self, waveform, *arguments)

CTCModel.forward = forward_or_fail
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

TWO_PROCESSES = {
    "launcher": ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"],
    "distributed_backend": "gloo",
}


@pytest.fixture
def memory_for(monkeypatch):
    """Let training with more utterances at once fail; count how often it did."""

    def limit(max_size, fails="forward"):
        forward, failures = CTCModel.forward, []

        def fail(*arguments):
            failures.append(fails)
            raise RuntimeError("CUDA error: out of memory")

        def forward_or_fail(self, waveform, *arguments):
            is_too_much = self.training and len(waveform) > max_size
            if is_too_much and fails == "forward":
                fail()
            log_probs, lengths = forward(self, waveform, *arguments)
            if is_too_much:
                log_probs.register_hook(fail)
            return log_probs, lengths

        monkeypatch.setattr(CTCModel, "forward", forward_or_fail)
        return failures

    return limit


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """A run whose memory suffices."""
    return train(tmp_path_factory.mktemp("whole"), **OPTIONS)


def losses(run):
    return {entry["step"]: entry["loss"] for entry in run.metrics("train")}


def test_a_step_is_as_many_utterances_however_they_are_cut(whole, train, tmp_path):
    assert whole.steps() == [1, 2, 3, 4, 5, 6]
    assert "8 utterances a step = 4 at once x 2 accumulated" in whole.log
    other = train(tmp_path, **{**OPTIONS, "max_batch_size": 8, "max_batch_length": 4})
    assert losses(other) == pytest.approx(losses(whole), abs=1e-4)


@pytest.mark.parametrize("fails", ["forward", "backward"])
def test_out_of_memory_halves_the_batch_and_loses_no_step(
    whole, train, memory_for, tmp_path, fails
):
    failures = memory_for(1, fails)
    run = train(tmp_path, **OPTIONS)
    assert run.code == 0
    assert len(failures) == 2
    assert "8 utterances a step = 2 at once x 4 accumulated" in run.log
    assert "8 utterances a step = 1 at once x 8 accumulated" in run.log
    assert losses(run) == pytest.approx(losses(whole), abs=1e-4)


def test_resumed_run_remembers_what_memory_holds(
    whole, train, memory_for, monkeypatch, tmp_path
):
    failures = memory_for(2)
    learn = RecipeBrain.learn

    def learn_twice(self, batch, should_step):
        if self.optimizer_step == 3:
            raise SystemExit(9)
        return learn(self, batch, should_step)

    with monkeypatch.context() as patch:
        patch.setattr(RecipeBrain, "learn", learn_twice)
        assert train(tmp_path, **OPTIONS, checkpoint_interval=1).code == 9
    assert len(failures) == 1
    run = train(tmp_path, **OPTIONS)
    assert run.code == 0
    assert run.steps() == [1, 2, 3, 4, 5, 6]
    assert len(failures) == 1
    assert losses(run) == pytest.approx(losses(whole), abs=1e-4)


def test_one_utterance_too_many_ends_the_training(train, memory_for, tmp_path):
    memory_for(0)
    run = train(tmp_path, **OPTIONS)
    assert run.code == 2
    assert "out of memory with one utterance" in run.error.splitlines()[-1]


def test_another_error_is_not_taken_for_lack_of_memory(train, monkeypatch, tmp_path):
    forward = CTCModel.forward

    def fail(model, *arguments):
        if model.training:
            raise RuntimeError("shapes differ")
        return forward(model, *arguments)

    monkeypatch.setattr(CTCModel, "forward", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(tmp_path, **OPTIONS)


def test_two_processes_learn_as_one_does(train, train_apart, tmp_path):
    options = {**OPTIONS, "num_epochs": 5}
    script = tmp_path / "run_out_of_memory.py"
    script.write_text(RUN_OUT_OF_MEMORY.format(limit=1))
    one = train(tmp_path / "one", **options)
    two = train_apart(script, tmp_path / "two", **TWO_PROCESSES, **options)
    assert two.code == 0, two.error
    assert two.steps() == list(range(1, 16))
    assert losses(two) == pytest.approx(losses(one), abs=1e-3)
    assert losses(one)[10] < losses(one)[1] - 1


@pytest.mark.slow
def test_64_utterances_are_64_under_two_processes(train, train_apart, tmp_path):
    make_corpus(tmp_path, train=64, dev=4, test=4, workers=1)
    options = {
        **OPTIONS,
        "data_folder": tmp_path / "LibriSpeech",
        "target_effective_batch": 64,
        "max_batch_size": 16,
        "num_epochs": 20,
    }
    script = tmp_path / "run_out_of_memory.py"
    script.write_text(RUN_OUT_OF_MEMORY.format(limit=64))
    one = train(tmp_path / "one", **options)
    two = train_apart(script, tmp_path / "two", **TWO_PROCESSES, **options)
    assert two.code == 0, two.error
    assert two.steps() == list(range(1, 21))
    assert losses(two) == pytest.approx(losses(one), abs=1e-3)


def test_batches_counted_in_tokens_are_refused(train, tmp_path):
    tiny = {"device": "cpu", "num_tokens": 40, "d_model": 32, "num_layers": 1}
    run = train(
        tmp_path,
        recipe="LM",
        hparams="transformer_demo",
        tiny=tiny,
        target_effective_batch=64,
    )
    assert run.code == 2
    assert "grad_accumulation_factor" in run.error.splitlines()[-1]


@pytest.mark.parametrize("target", [21, 400])
def test_more_than_there_is_in_an_epoch_is_refused(train, tmp_path, target):
    run = train(tmp_path, **{**OPTIONS, "target_effective_batch": target})
    assert run.code == 2
    assert "only 20 utterances" in run.error.splitlines()[-1]
