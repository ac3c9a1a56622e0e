"""The hybrid: pretrained convolutions, masked prediction, training at test time."""

import json
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from lact_modules.adaptation.gate import CleanStatistics, Traits
from lact_modules.cli.main import main
from lact_modules.data.audio import load_audio
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.model_store.trained_model import load_run

STEPS = 10


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Save a model of transformers with random weights."""
    folder = tmp_path_factory.mktemp("pretrained")
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=[4] * 7,
        num_conv_pos_embedding_groups=2,
    )
    Wav2Vec2Model(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def hybrid(train, pretrained, tmp_path_factory):
    return train(
        tmp_path_factory.mktemp("hybrid") / "run",
        hparams="hybrid_demo",
        wav2vec2_model_name=pretrained,
        # the kernels stay as they were given
        encoder_lr_scale=0.0,
        enable_ttt=True,
        # a pause of seconds makes the loss of one batch a multiple of another's
        pause_prob=0.0,
        test_splits="[dev]",
    )


def test_trains_by_both_losses(hybrid, train, tmp_path):
    assert hybrid.code == 0
    losses = [entry["loss"] for entry in hybrid.metrics("train")]
    assert len(losses) == STEPS
    assert losses[-1] < losses[0]
    other = train(tmp_path / "other", hparams="hybrid_demo", test_splits="[dev]")
    assert "masked_predictor.embedding" in hybrid.parameters()
    assert "masked_predictor.embedding" not in other.parameters()


def test_takes_over_pretrained_convolutions(hybrid, pretrained):
    given = load_file(pretrained / "model.safetensors")
    for layer in range(7):
        theirs = given[f"feature_extractor.conv_layers.{layer}.conv.weight"]
        ours = hybrid.parameters()[f"frontend.cnn.layers.{layer}.convolution.weight"]
        assert torch.equal(ours, theirs)


def test_tells_how_many_parameters_are_fast_weights(hybrid):
    fast = sum(
        tensor.numel()
        for name, tensor in hybrid.parameters().items()
        if name.endswith(("fast.gate", "fast.up", "fast.down"))
    )
    assert f"{fast / 1e6:.2f} M of them initial fast weights" in hybrid.log


def test_knows_what_clean_speech_looks_like_to_the_weights_tested(hybrid):
    trained = load_run(hybrid.folder)
    traits = []
    for utterance in read_manifest(hybrid.folder / "manifests" / "dev.jsonl"):
        signal = load_audio(utterance.audio_filepath)
        log_probs, frames, *_ = trained.model(signal[None], torch.tensor([len(signal)]))
        traits.append(Traits.of(log_probs, frames))
    expected = CleanStatistics.of(traits)
    for name, found in vars(trained.statistics).items():
        assert found == pytest.approx(getattr(expected, name), abs=1e-4)


def test_adapts_to_its_input(hybrid, corpus, tmp_path, monkeypatch):
    output = tmp_path / "scores.json"
    words = ["evaluate", "--model", hybrid.folder, "--data", corpus / "dev"]
    words += ["--json", output, "--ttt", "lact", "--ttt-steps", 1]
    words += ["--ttt-loss", "entropy+masked_prediction"]
    monkeypatch.setattr(sys, "argv", ["lact-asr", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    report = json.loads(output.read_text())["ttt"]
    assert (report["method"], report["steps"], report["utterances"]) == ("lact", 1, 4)


def test_a_pretrained_model_needs_its_front_end(train, pretrained, tmp_path):
    run = train(tmp_path / "run", wav2vec2_model_name=pretrained)
    assert run.code == 2
    assert "has no Wav2Vec2Frontend" in run.error


META = {"encoder": "{num_layers: 1, dropout: 0.0, mixer: {ttt_rate: 0.1}}"}


@pytest.mark.parametrize("second_order", [False, True])
def test_learns_to_be_adapted(second_order, train, tmp_path):
    options = {"meta_ttt": "suta", "meta_ttt_second_order": second_order, **META}
    run = train(tmp_path / "run", test_splits="[dev]", **options)
    assert run.code == 0
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert len(losses) == STEPS
    assert losses[-1] < losses[0]
    rates = run.parameters()["encoder.blocks.0.mixer.fast.ttt_rates"]
    assert len(rates.unique()) > 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"meta_ttt": "suta"}, "ttt_rate"),
        ({"meta_ttt": "hope", **META}, "hope"),
    ],
)
def test_what_cannot_be_learned_is_named(options, named, train, tmp_path):
    run = train(tmp_path / "run", **options)
    assert run.code == 2
    assert named in run.error.splitlines()[-1]
