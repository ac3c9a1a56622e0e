import json
import shutil

import pytest
import soundfile
import torch

from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.run.integrity import (
    META_FILE,
    SUMS_FILE,
    UNFINISHED,
    seal,
)
from lact_modules.training.ctc import CTCBrain


@pytest.fixture
def evaluate(train, by_heart, memorized, tmp_path):
    """Test the memorized model once more, with other options."""

    def run(change=None, **options):
        folder = shutil.copytree(memorized.folder, tmp_path / "run")
        for path in folder.glob("save/CKPT*/model.ckpt"):
            state = torch.load(path, weights_only=True)
            if change:
                change(state)
            torch.save(state, path)
            # or the change would be taken for damage
            (path.parent / SUMS_FILE).unlink()
            (path.parent / META_FILE).rename(path.parent / UNFINISHED)
            seal(path.parent)
        options = {**by_heart, "test_only": None, **options}
        return train(folder, **options)

    return run


def test_bf16_evaluation_has_the_error_rate_of_float32(
    evaluate, memorized, monkeypatch
):
    seen = set()
    compute_objectives = CTCBrain.compute_objectives

    def observe(brain, outputs, batch, stage):
        loss = compute_objectives(brain, outputs, batch, stage)
        is_bf16 = torch.is_autocast_enabled("cpu")
        seen.add((is_bf16, outputs[0].dtype, loss.utterances.dtype, loss.mean.dtype))
        return loss

    monkeypatch.setattr(CTCBrain, "compute_objectives", observe)
    run = evaluate(eval_precision="bf16")
    assert run.code == 0, run.error
    assert seen == {(True, *[torch.float32] * 3)}
    ours = run.result["metrics"]["dev"]["greedy"]
    theirs = memorized.result["metrics"]["dev"]["greedy"]
    # one word in the four sentences, at most
    one_word = 100 / theirs["num_words"]
    assert abs(ours["wer"] - theirs["wer"]) <= one_word
    assert ours["num_utterances"] == theirs["num_utterances"]


def test_bf16_log_probabilities_are_those_of_float32(memorized, corpus):
    transcriber = Transcriber.from_folder(memorized.folder)
    waveforms = [
        torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        for path in sorted(corpus.glob("dev/*/*/*.flac"))
    ]
    exact, lengths = transcriber.run_model(waveforms)
    in_bf16 = Transcriber.from_folder(memorized.folder, precision="bf16")
    rounded, _ = in_bf16.run_model(waveforms)
    assert rounded.dtype == torch.float32
    assert not rounded.equal(exact)
    # probabilities that sum to 1 to float32's precision, not to bfloat16's
    assert (rounded.logsumexp(dim=-1).abs() < 1e-5).all()
    is_valid = torch.arange(exact.shape[1]) < lengths[:, None]
    differences = (rounded - exact).abs()[is_valid]
    assert differences.max() < 0.3
    assert differences.mean() < 0.05


def test_empty_hypotheses_are_all_deletions(evaluate):
    def deafen(state):
        # the blank wins everywhere
        state["output.bias"][0] += 1000.0

    run = evaluate(deafen)
    assert run.code == 0, run.error
    metrics = run.result["metrics"]["dev"]["greedy"]
    assert metrics["wer"] == metrics["cer"] == 100.0
    assert metrics["deletions"] == metrics["num_words"] > 0
    assert metrics["num_utterances"] == 4
    pairs = (run.folder / "transcripts_dev.jsonl").read_text().splitlines()
    assert [json.loads(pair)["hyp"] for pair in pairs] == [""] * 4
