"""Recipes with heads after blocks: they train, resume, and their models exit early."""

import math

import pytest
import torch

from lact_modules.encoders import S2SModel
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.export import export_model
from lact_modules.model_store.loading import load_model

ENCODER = "{num_layers: 2, dropout: 0.0, heads: {1: self-conditioned-ctc}}"


@pytest.fixture(scope="module", params=["ASR/CTC", "ASR/transformer"])
def headed(request, train, tmp_path_factory):
    """Train four sentences with a head after the first of two blocks."""
    folder = tmp_path_factory.mktemp("heads") / "run"
    options = {"train_splits": "[dev]", "test_splits": "[dev]", "num_epochs": 2}
    options |= {"encoder": ENCODER, "inter_ctc_weight": 0.5}
    if request.param == "ASR/transformer":
        options |= {"num_tokens": 40, "num_layers": 2, "num_decoder_layers": 1}
    return train(folder, request.param, **options), options, request.param


def test_heads_learn_and_are_logged(headed):
    run, _, _ = headed
    assert run.code == 0, run.error
    entries = run.metrics("train")
    assert all(math.isfinite(entry["ctc/1"]) for entry in entries)
    assert entries[-1]["ctc/1"] < entries[0]["ctc/1"]
    assert "encoder.heads.1.condition.weight" in run.parameters()


def test_training_continues_and_an_export_exits_early(headed, train, tmp_path):
    run, options, recipe = headed
    again = train(run.folder, recipe, **{**options, "num_epochs": 3})
    assert again.code == 0, again.error
    assert len(again.metrics("dev")) == 3
    export_model(run.folder, tmp_path / "export")
    early = load_model(tmp_path / "export", exit_block=1)
    assert not isinstance(early.model, S2SModel)
    whole = load_model(run.folder).model
    head, outputs = whole.encoder.heads["1"], []
    head.register_forward_hook(lambda _, __, answer: outputs.append(answer[1]))
    waveform, lengths = torch.randn(1, 16000), torch.tensor([16000])
    whole(waveform, lengths)
    log_probs, _ = Transcriber(early).run_model([waveform[0]])
    torch.testing.assert_close(log_probs, outputs[0])
