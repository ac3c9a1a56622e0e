"""Weights of transformers' models in the front end: the same frames, clear errors."""

import json
import logging

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Model,
    Wav2Vec2Processor,
    WavLMConfig,
    WavLMModel,
)

from lact_modules.errors import InputError
from lact_modules.frontends import Wav2Vec2Frontend
from lact_modules.frontends.pretrained import load_pretrained, save_pretrained

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 8,
}
LAYER = {"feat_extract_norm": "layer", "conv_bias": True}
MODELS = [
    (Wav2Vec2Model, Wav2Vec2Config, {}),
    (Wav2Vec2Model, Wav2Vec2Config, LAYER),
    (HubertModel, HubertConfig, {}),
    (HubertModel, HubertConfig, LAYER),
    (WavLMModel, WavLMConfig, {}),
    (WavLMModel, WavLMConfig, LAYER),
]


def make_model(model_class=Wav2Vec2Model, config_class=Wav2Vec2Config, **options):
    torch.manual_seed(0)
    model = model_class(config_class(**{**SMALL, **options})).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # norms too, which begin as ones and zeros
            if "feature_" in name:
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def make_frontend(d_model=16, **options):
    torch.manual_seed(1)
    return Wav2Vec2Frontend(d_model, channels=8, **options).eval()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Save a model as transformers does; not to be changed."""
    folder = tmp_path_factory.mktemp("model")
    make_model().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """Copy the saved model into a folder that may be changed."""
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def configure(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def frames_of(model, values):
    with torch.no_grad():
        projected = model.feature_projection(model.feature_extractor(values).mT)
    return projected if torch.is_tensor(projected) else projected[0]


@pytest.mark.parametrize("num_samples", [400, 719, 720, 8000, 8123])
@pytest.mark.parametrize(("model_class", "config_class", "options"), MODELS)
def test_frames_are_those_of_transformers(
    model_class, config_class, options, num_samples, tmp_path
):
    model = make_model(model_class, config_class, **options)
    model.save_pretrained(tmp_path)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    extractor.save_pretrained(tmp_path)
    norm, bias = options.get("feat_extract_norm", "group"), "conv_bias" in options
    frontend = make_frontend(target_hop_ms=20, norm=norm, conv_bias=bias)
    load_pretrained(frontend, tmp_path)
    waveform = 3 * torch.randn(1, num_samples) + 0.5
    values = extractor(waveform[0].numpy(), sampling_rate=16000, return_tensors="pt")
    expected = frames_of(model, values.input_values)
    found, lengths = frontend(waveform, torch.tensor([num_samples]))
    assert 0 <= lengths.item() - expected.shape[1] <= 2
    torch.testing.assert_close(
        found[:, : expected.shape[1]], expected, atol=1e-5, rtol=1e-5
    )


def test_shards_and_a_head_make_no_difference(tmp_path):
    torch.manual_seed(0)
    model = Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL))
    model.save_pretrained(tmp_path / "whole")
    model.save_pretrained(tmp_path / "shards", max_shard_size="2KB")
    assert len([*(tmp_path / "shards").glob("model-*.safetensors")]) > 1
    whole, shards = make_frontend(), make_frontend(target_hop_ms=5)
    load_pretrained(whole, tmp_path / "whole")
    load_pretrained(shards, str(tmp_path / "shards"))
    published = model.wav2vec2
    for frontend in whole, shards:
        for ours, theirs in [
            (frontend.norm, published.feature_projection.layer_norm),
            (frontend.project, published.feature_projection.projection),
            (
                frontend.cnn.layers[6].convolution,
                published.feature_extractor.conv_layers[6].conv,
            ),
        ]:
            assert ours.weight.equal(theirs.weight)


def test_weights_in_half_precision_become_float32(folder):
    # of a file that is written again
    weights = {
        name: tensor.clone()
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    halves = {name: tensor.half() for name, tensor in weights.items()}
    save_file(halves, folder / "model.safetensors")
    frontend = make_frontend()
    load_pretrained(frontend, folder)
    assert {each.dtype for each in frontend.state_dict().values()} == {torch.float32}
    name = "feature_projection.projection.weight"
    torch.testing.assert_close(
        frontend.project.weight, weights[name], atol=0.01, rtol=0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"d_model": 12}, "16 dimensions, not 1 at once to 12"),
        ({"stack": 2}, "16 dimensions, not 2 at once to 16"),
    ],
)
def test_another_shape_leaves_the_projection_fresh(options, message, saved, caplog):
    frontend = make_frontend(**options)
    fresh = frontend.project.weight.clone()
    with caplog.at_level(logging.INFO):
        load_pretrained(frontend, saved)
    assert frontend.project.weight.equal(fresh)
    assert message in caplog.text
    weights = load_file(saved / "model.safetensors")
    assert frontend.norm.bias.equal(weights["feature_projection.layer_norm.bias"])


def test_frozen_convolutions_stay_frozen(saved):
    frontend = make_frontend(freeze=True)
    load_pretrained(frontend, saved)
    assert not any(each.requires_grad for each in frontend.cnn.parameters())
    assert frontend.project.weight.requires_grad


def test_a_model_comes_from_the_hub(hub, saved):
    files = {path.name: path.read_bytes() for path in saved.iterdir()}
    hub.files["org/name"] = {**files, "pytorch_model.bin": b"pickle"}
    fetched, local = make_frontend(), make_frontend()
    load_pretrained(fetched, "org/name")
    load_pretrained(local, saved)
    for name, tensor in fetched.state_dict().items():
        assert tensor.equal(local.state_dict()[name]), name


@pytest.mark.parametrize("source", ["org/other", "no/such/folder", "../folder"])
def test_no_such_model(hub, source):
    with pytest.raises(InputError, match="no such folder, and not fetched") as caught:
        load_pretrained(make_frontend(), source)
    assert str(caught.value).startswith(f"{source}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            LAYER,
            'made with norm "layer" and conv_bias true; '
            'set norm: "layer", conv_bias: true in the front end',
        ),
        ({"conv_dim": [4] * 7}, "made with channels 4; set channels: 4 in"),
        ({"conv_dim": [8] * 6 + [4]}, r"made with conv_dim \[8, 8, 8, 8, 8, 8, 4\]"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, "made with conv_stride"),
        ({"conv_kernel": [10, 3]}, "made with conv_kernel"),
        ({"feat_proj_layer_norm": False}, "made with feat_proj_layer_norm false"),
        ({"feat_extract_activation": "relu"}, 'made with feat_extract_activation "r'),
        ({"model_type": "data2vec-audio"}, "type 'data2vec-audio'; give one of wav2v"),
        ({"hidden_size": 12}, "'feature_projection.projection.weight' has shape"),
    ],
)
def test_another_architecture_is_named(folder, changes, message):
    configure(folder, **changes)
    d_model = changes.get("hidden_size", 16)
    frontend = make_frontend(d_model)
    before = {name: each.clone() for name, each in frontend.state_dict().items()}
    with pytest.raises(InputError, match=f"^{folder}: .*{message}") as caught:
        load_pretrained(frontend, folder)
    assert "\n" not in str(caught.value)
    # it is all or nothing
    for name, tensor in frontend.state_dict().items():
        assert tensor.equal(before[name]), name


def test_a_model_that_wants_its_input_as_it_is(folder):
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    with pytest.raises(InputError, match="set normalize_input: false in the front end"):
        load_pretrained(make_frontend(), folder)
    load_pretrained(make_frontend(normalize_input=False), folder)


def save_processor(folder, **options):
    """Save as transformers 5 does, with the extractor in a file of several parts."""
    (folder / "vocab.json").write_text('{"<pad>": 0, "<unk>": 1, "a": 2}')
    tokenizer = Wav2Vec2CTCTokenizer(folder / "vocab.json")
    extractor = Wav2Vec2FeatureExtractor(**options)
    Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)
    assert (folder / "processor_config.json").is_file()


def test_the_processor_of_transformers_5_has_the_models_settings(folder, caplog):
    save_processor(folder, do_normalize=False)
    with pytest.raises(InputError, match="set normalize_input: false in the front end"):
        load_pretrained(make_frontend(), folder)
    # where both files are, transformers takes the processor's
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    load_pretrained(make_frontend(normalize_input=False), folder)
    assert "normalize" not in caplog.text
    save_pretrained(make_frontend(), folder)
    load_pretrained(make_frontend(), folder)


def test_a_model_without_input_settings_is_taken_with_a_warning(folder, caplog):
    load_pretrained(make_frontend(), folder)
    assert "does not say whether its waveforms are normalized" in caplog.text


def test_a_model_of_another_sample_rate_is_refused(folder):
    save_processor(folder, sampling_rate=8000)
    with pytest.raises(InputError, match="made for 8000 Hz"):
        load_pretrained(make_frontend(), folder)


def test_absent_keys_of_an_old_config_mean_the_base_model(folder):
    path = folder / "config.json"
    keys = ("model_type", "conv_dim", "hidden_size")
    config = json.loads(path.read_text())
    path.write_text(json.dumps({key: config[key] for key in keys}))
    load_pretrained(make_frontend(), folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "has no config.json"),
        ("config.json", b"{", "config.json is not JSON"),
        ("config.json", b"[]", "config.json does not describe a model"),
        ("model.safetensors", None, "has no model.safetensors, and pickles are not"),
        ("model.safetensors", b"pickle", "model.safetensors cannot be read"),
    ],
)
def test_damaged_folders_are_named(folder, name, content, message):
    path = folder / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{folder}: {message}") as caught:
        load_pretrained(make_frontend(), folder)
    assert "\n" not in str(caught.value)


def test_missing_tensors_are_named(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["feature_extractor.conv_layers.3.conv.weight"]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"conv_layers\.3\.conv\.weight' is missing"):
        load_pretrained(make_frontend(), folder)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({}, "has no weight_map"),
        ({"weight_map": {"a": "model-00001.safetensors"}}, "cannot be read"),
        ({"weight_map": {"a": "../elsewhere/secret"}}, "secret cannot be read"),
    ],
)
def test_damaged_indices_are_named(folder, index, message):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=message):
        load_pretrained(make_frontend(), folder)
