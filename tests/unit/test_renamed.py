"""YAML files and trained models of earlier versions are read."""

import pytest
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML

from lact_modules.comparison.settings import read_settings
from lact_modules.errors import InputError
from lact_modules.model_store.model_builder import build_model
from lact_modules.model_store.run.hyperparameters import read_hyperparameter
from lact_modules.training.checkpointing.option_changes import find_changes
from lact_modules.training.option.kind.signatures import check_arguments
from lact_modules.training.option.resolving import resolve

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
    chunks, chunking = encoder.streaming_chunks, encoder.dynamic_chunking
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
        "DynamicChunking: kept is now called keep_ratio, full_rate is now called "
        "upsample",
        "DynamicChunks: lefts is now called left_contexts, full_share is now called "
        "full_context_prob, segment is now called backprop_frames",
        "Encoder: chunks is now called streaming_chunks",
    }
    assert encoder.dynamic_chunking.keep_ratio == 0.25


def test_their_values_are_checked_too():
    with pytest.raises(InputError, match=r"dynamic_chunking\.kept many: expected"):
        check_arguments(YAML().load(ENCODER.replace("KEPT", "many")))


FRAGMENT = """
!new:lact_modules.encoders.Encoder
num_layers: 4
streaming_chunks: !new:lact_modules.encoders.dynamic_chunks.DynamicChunks
    sizes: [8, 16]
    left_contexts: [64]
    full_context_prob: 0.5
"""
FORMER = """
encoder: !include:fragment.yaml
    num_layers: 2
    chunks: {lefts: [32], full_share: 0.25}
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{}", ([8, 16], [32], 0.25)),
        ("encoder: {chunks: {sizes: [4]}}", ([4], [32], 0.25)),
        ("encoder: {streaming_chunks: {left_contexts: [9]}}", ([8, 16], [9], 0.25)),
    ],
)
def test_former_names_change_what_fragments_set_by_present_ones(
    tmp_path, given, expected
):
    (tmp_path / "fragment.yaml").write_text(FRAGMENT)
    path = tmp_path / "recipe.yaml"
    with pytest.warns(FutureWarning, match="Encoder: chunks is now called"):
        text = resolve(path, FORMER, YAML().load(given))
    encoder = YAML().load(text)["encoder"]
    assert {*encoder} == {"num_layers", "streaming_chunks"}
    chunks = encoder["streaming_chunks"]
    assert encoder["num_layers"] == 2
    assert (
        *(chunks["sizes"], chunks["left_contexts"]),
        chunks["full_context_prob"],
    ) == expected


def test_a_run_of_former_names_is_as_one_of_present_ones(tmp_path):
    old = ENCODER.replace("KEPT", "0.25").replace("keep_ratio: 0.5", "pool: first")
    new = old
    for former, present in (
        *(
            ("kept", "keep_ratio"),
            ("full_rate", "upsample"),
            ("lefts", "left_contexts"),
        ),
        *(("full_share", "full_context_prob"), ("segment", "backprop_frames")),
        *(("chunks", "streaming_chunks"),),
    ):
        new = new.replace(f" {former}:", f" {present}:")
    assert new != old
    assert find_changes(old, new) == []
    for name, text in {"old": old, "new": new}.items():
        (tmp_path / name).write_text(text)
    settings = read_settings(tmp_path / "old")
    assert settings == read_settings(tmp_path / "new")
    assert settings["encoder.streaming_chunks.left_contexts"] == "[64]"
    [change] = find_changes(old, new.replace("[64]", "[128]"))
    assert change.name == "encoder.streaming_chunks.left_contexts"
