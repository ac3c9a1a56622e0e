"""YAML files and trained models of earlier versions are read."""

import pytest
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML

from lact_modules.errors import InputError
from lact_modules.model_store.model_builder import build_model
from lact_modules.model_store.run.hyperparameters import read_hyperparameter
from lact_modules.training.option.kind.signatures import check_arguments

ENCODER = """
encoder: !new:lact_modules.encoders.Encoder
    d_model: 8
    num_layers: 3
    mixer: !name:lact_modules.layers.AttentionMixer {d_model: 8, num_heads: 1}
    ffn_out: !name:lact_modules.layers.FeedForward {d_model: 8, d_ffn: 8}
    dynamic_chunking: !name:lact_modules.layers.dynamic_chunking.DynamicChunking
        router: uniform
        keep_ratio: 0.5
        kept: KEPT
        full_rate: false
    chunks: !new:lact_modules.encoders.dynamic_chunks.DynamicChunks
        sizes: [8]
        lefts: [64]
        full_share: 0.25
        segment: 16
"""


def test_trained_models_are_built_by_former_names_in_silence(tmp_path, recwarn):
    path = tmp_path / "hyperparams.yaml"
    path.write_text(ENCODER.replace("KEPT", "0.25"))
    encoder = build_model(read_hyperparameter(path, "encoder"))
    chunks, chunking = encoder.chunks, encoder.dynamic_chunking
    assert (chunks.left_contexts, chunks.full_context_prob) == ([64], 0.25)
    assert chunks.backprop_frames == 16
    # a fragment's present name yields to the file's former one
    assert (chunking.keep_ratio, chunking.upsample) == (0.25, False)
    assert not recwarn.list


def test_recipes_are_made_with_a_warning_of_each_name():
    text = ENCODER.replace("KEPT", "0.25")
    check_arguments(YAML().load(text))
    with pytest.warns(FutureWarning) as warned:
        encoder = load_hyperpyyaml(text)["encoder"]
    assert {str(each.message) for each in warned} == {
        "DynamicChunking: kept is now called keep_ratio",
        "DynamicChunking: full_rate is now called upsample",
        "DynamicChunks: lefts is now called left_contexts",
        "DynamicChunks: full_share is now called full_context_prob",
        "DynamicChunks: segment is now called backprop_frames",
    }
    assert encoder.dynamic_chunking.keep_ratio == 0.25


def test_their_values_are_checked_too():
    with pytest.raises(InputError, match=r"dynamic_chunking\.kept many: expected"):
        check_arguments(YAML().load(ENCODER.replace("KEPT", "many")))
