"""A feature encoder taught by filter banks."""

import pytest
import torch

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.frontends.pretrained import load_pretrained, save_pretrained
from lact_modules.frontends.wav2vec2 import Wav2Vec2Frontend
from tools.pretrain_feature_encoder import main, pretrain


def make_frontend():
    torch.manual_seed(0)
    return Wav2Vec2Frontend(8, target_frame_rate=50, channels=16)


def test_learns_to_predict_filter_banks():
    torch.manual_seed(0)
    noise = [torch.randn(6000) * loudness for loudness in (0.001, 0.1, 0.01)]
    options = {"batch_size": 4, "crop": 3200}
    first = pretrain(noise, make_frontend(), steps=1, **options)
    assert pretrain(noise, make_frontend(), steps=60, **options) < 0.9 * first


def test_writes_a_model_that_the_front_end_takes(
    audio_folder, tmp_path, monkeypatch, capsys
):
    manifest, folder = tmp_path / "audio.jsonl", tmp_path / "model"
    audio = str(next(audio_folder.glob("*.flac")))
    write_manifest(manifest, [Utterance("a", audio, "A", 0.0)])
    options = ["--channels", "16", "--d-model", "8", "--steps", "1"]
    monkeypatch.setattr("sys.argv", ["program", str(manifest), str(folder), *options])
    main()
    frontend = make_frontend()
    before = frontend.cnn.layers[0].convolution.weight.clone()
    load_pretrained(frontend, folder)
    assert not torch.equal(frontend.cnn.layers[0].convolution.weight, before)
    assert "of the features' variance" in capsys.readouterr().out


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_what_is_saved_can_be_loaded(norm, tmp_path):
    options = {"channels": 4, "norm": norm, "conv_bias": norm == "layer"}
    frontend, other = (Wav2Vec2Frontend(8, **options) for _ in range(2))
    save_pretrained(frontend, tmp_path)
    load_pretrained(other, tmp_path)
    other.mask_embedding.data = frontend.mask_embedding.data
    waveform, lengths = torch.randn(1, 4000), torch.tensor([4000])
    torch.testing.assert_close(
        other.eval()(waveform, lengths), frontend.eval()(waveform, lengths)
    )


def test_stacked_frames_are_not_what_published_models_have(tmp_path):
    with pytest.raises(ValueError, match="stack=2"):
        save_pretrained(Wav2Vec2Frontend(8, channels=4, stack=2), tmp_path)


def test_data_that_are_not_there_are_named(tmp_path, monkeypatch, capsys):
    missing, output = tmp_path / "missing.jsonl", tmp_path / "model"
    monkeypatch.setattr("sys.argv", ["program", str(missing), str(output)])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert str(missing) in capsys.readouterr().err.splitlines()[-1]
    assert not output.exists()
