import json
import re
import shutil

import pytest
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor
from typer.testing import CliRunner

from lact_modules.cli.main import app
from lact_modules.data.code_file import CodeFile
from lact_modules.model_store.export import export_model, load_export

HEAD = "!name:lact_modules.encoders.code_head.CodeHead {num_codes: 8}"
ENCODER = f"{{num_layers: 2, dropout: 0.0, heads: {{1: {HEAD}}}}}"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Make a tiny HuBERT, with random weights."""
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    HubertModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def manifests(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifests")
    words = ["prepare", "librispeech", str(corpus), str(folder)]
    CliRunner().invoke(app, [*words, "--splits", "train,dev,test"])
    return folder


@pytest.fixture(scope="module")
def codes(teacher, manifests, tmp_path_factory):
    path = tmp_path_factory.mktemp("codes") / "codes.npz"
    run_codes(teacher, manifests, path)
    return path


def run_codes(teacher, manifests, path, layer=1):
    words = ["teacher-codes", str(manifests / "train.jsonl"), "-o", str(path)]
    words += ["--teacher", str(teacher), "--layer", str(layer), "--codes", "8"]
    return CliRunner().invoke(app, words)


def test_codes_are_written_once_for_each_utterance(codes, manifests, teacher):
    found = CodeFile(codes)
    names = re.findall(r'"id": "([^"]+)"', (manifests / "train.jsonl").read_text())
    assert len(names) == 20
    # 50 a second, of speech that lasts more than one
    assert all(len(found[name]) > 30 for name in names)
    assert {int(code) for name in names for code in found[name]} == {*range(8)}
    assert [each.name for each in codes.parent.iterdir()] == ["codes.npz"]
    again = run_codes(teacher, manifests, codes)
    assert "exists; remove it or name another file" in str(again.exception)


def test_a_teacher_without_that_layer_is_refused(teacher, manifests, tmp_path):
    result = run_codes(teacher, manifests, tmp_path / "codes.npz", layer=3)
    assert f"--layer 3: {teacher} has layers 1 to 2" in str(result.exception)
    assert not [*tmp_path.iterdir()]


def test_a_teacher_with_weights_that_are_missing_is_refused(
    teacher, manifests, tmp_path
):
    config = json.loads((teacher / "config.json").read_text())
    part = tmp_path / "part"
    shutil.copytree(teacher, part)
    (part / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    result = run_codes(part, manifests, tmp_path / "codes.npz", layer=3)
    assert f"{part}: its weights lack encoder.layers.2" in str(result.exception)


def test_a_model_learns_the_codes_and_loses_their_head(codes, train, tmp_path):
    options = {"teacher_codes": codes, "teacher_weight": 3.0, "pause_prob": 0.0}
    options |= {"test_splits": "[]", "learning_rate": 0.02, "num_epochs": 3}
    run = train(tmp_path / "run", encoder=ENCODER, **options)
    assert run.code == 0, run.error
    losses = [entry["teacher"] for entry in run.metrics("train")]
    # a few steps teach it how often there is each code
    assert losses[0] > sum(losses[-4:]) / 4 + 0.1
    trained = run.parameters()
    assert "encoder.heads.1.output.weight" in trained
    export_model(run.folder, tmp_path / "export", num_checkpoints=1)
    exported = load_export(tmp_path / "export")
    assert not [name for name in exported.model.state_dict() if "heads" in name]
    assert "CodeHead" not in (tmp_path / "export" / "config.json").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pause_prob": 0.1}, "pauses have no codes; set pause_prob to 0"),
        ({"long_form_seconds": 9}, "codes are per utterance; join none to streams"),
        ({"encoder": "{num_layers: 1}"}, "heads must be a CodeHead, and 0 are"),
        ({"encoder": ENCODER.replace("8", "9")}, "has 8 codes, and the CodeHead 9"),
        ({"teacher_codes": "null"}, "the encoder's CodeHead learns codes"),
    ],
)
def test_options_that_do_not_go_together_are_refused_at_the_start(
    codes, train, tmp_path, options, message
):
    given = {"encoder": ENCODER, "teacher_codes": codes, "pause_prob": 0.0, **options}
    run = train(tmp_path / "run", **given)
    assert run.code == 2
    assert message in run.error


def test_an_utterance_without_codes_is_named(codes, manifests, train, tmp_path):
    given = {"encoder": ENCODER, "teacher_codes": codes, "pause_prob": 0.0}
    manifest = tmp_path / "other.jsonl"
    shutil.copyfile(manifests / "dev.jsonl", manifest)
    run = train(tmp_path / "run", train_manifest=manifest, **given)
    assert run.code == 2
    assert "has no codes of utterance" in run.error
