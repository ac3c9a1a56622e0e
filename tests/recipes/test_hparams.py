import inspect
import os
import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML
from speechbrain.utils.run_opts import RunOptions

from lact_modules.data.corpus.commonvoice import prepare_commonvoice
from lact_modules.model_store.model_builder import build_model
from lact_modules.model_store.run.hyperparameters import read_hyperparameter
from lact_modules.training import brain
from lact_modules.training.from_keys import from_keys
from lact_modules.training.optimizer.plan import plan_optimizer
from lact_modules.training.option.hparams import load_hparams
from tests.keys_taken import keys_taken

ROOT = Path(__file__).parents[2]
CTC = ROOT / "recipes" / "LibriSpeech" / "ASR" / "CTC"
COMMON_VOICE = ROOT / "recipes" / "CommonVoice" / "ASR"
RECIPES = sorted(ROOT.glob("recipes/**/hparams/*.yaml"))
MODELS = [path for path in RECIPES if path.parents[1].name != "Tokenizer"]
FINETUNING = sorted(ROOT.glob("hparams/finetuning/*.yaml"))
SIZES = sorted(ROOT.glob("hparams/size/*/*.yaml"))
FRAGMENTS = sorted({*ROOT.glob("hparams/*/*.yaml")} - {*FINETUNING})

# Where a file has these keys, they make its model small.
SMALL = {"d_model": 64, "num_layers": 1, "num_heads": 4, "num_lact_heads": 4}


def name_of(path):
    return path.stem


def keys_of(path):
    return YAML().load(path).keys()


def load_small(path, folder, **overrides):
    small = {key: value for key, value in SMALL.items() if key in keys_of(path)}
    # heads stand after blocks that there have to be
    blocks = re.findall(r"(\d+): ctc", path.read_text())
    small |= {"num_layers": max(map(int, blocks))} if blocks else {}
    folders = {"data_folder": "corpus", "output_folder": str(folder)}
    return load_hparams(path, {**folders, **small, **overrides})


def count_parameters(name, folder, **overrides):
    """Parameters of a full-size model, which is described and never allocated."""
    overrides = {"data_folder": "corpus", **overrides}
    with open(CTC / "hparams" / name, encoding="utf-8") as stream:
        resolved = resolve_references(stream, overrides).read()
    path = folder / "hyperparams.yaml"
    path.write_text(resolved)
    with torch.device("meta"):
        model = build_model(read_hyperparameter(path, "model"))
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("path", MODELS, ids=name_of)
def test_loads_with_nothing_but_a_data_folder(path, tmp_path):
    hparams = load_small(path, tmp_path)
    assert hparams["modules"]["model"] is hparams["model"]
    assert hparams["checkpointer"].checkpoints_dir == tmp_path / "save"
    assert hparams["epoch_counter"].limit == hparams["num_epochs"]
    plan = from_keys(plan_optimizer, hparams)
    rates = {group["lr"] for group in plan.optimizer.param_groups}
    assert hparams["learning_rate"] in rates
    assert 0 < hparams["schedule"](0, 100_000) < 0.11


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_every_key_is_used(path):
    """By a reference, by train.py or what it calls, or as a run option."""
    script = path.parents[1] / "train.py"
    shared = Path(brain.__file__).parent.rglob("*.py")
    sources = "".join(source.read_text() for source in (script, *shared))
    used = set(re.findall(r"<(\w+)[>\[]", path.read_text()))
    used |= set(re.findall(r'hparams\["(\w+)"\]', sources))
    used |= set(re.findall(r"hparams\.(\w+)", sources))
    used |= set(re.findall(r'is_due\("(\w+)"\)', sources))
    used = used.union(*keys_taken().values())
    used |= {field.name for field in fields(RunOptions)} | {"size", "sizes"}
    assert keys_of(path) - used <= {"__set_seed"}


@pytest.mark.parametrize("path", MODELS, ids=name_of)
def test_what_is_tuned_can_be_set(path):
    """An option of the command line must stand in the file."""
    decoding = YAML().load(path).get("decoding")
    if decoding is not None:
        tuned = {"lm_weight", "rescore_weight", "rescore_word_score"}
        assert tuned <= decoding.keys()


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_is_named_after_its_file(path):
    with open(path, encoding="utf-8") as stream:
        resolved = resolve_references(stream, {"data_folder": "corpus"})
    folder = YAML().load(resolved)["output_folder"]
    assert folder == f"results/{path.stem}/1"


@pytest.mark.parametrize("path", FRAGMENTS, ids=name_of)
def test_fragment_makes_an_object_when_included(path):
    text = f"fragment: !include:{path}\n"
    assert callable(load_hyperpyyaml(text)["fragment"])


@pytest.mark.parametrize("path", FINETUNING, ids=name_of)
def test_stages_fit_their_model_in_one_line(path, tmp_path):
    kind = {"stages_ctc": "CTC", "stages_s2s": "transformer"}[path.stem]
    recipe = CTC.parent / kind / "hparams" / "lact_demo.yaml"
    include = f"unfreezing_stages: !include:{os.path.relpath(path, recipe.parent)}\n"
    hparams = load_hparams(recipe, f"output_folder: {tmp_path}\n{include}")
    plan = from_keys(plan_optimizer, hparams)
    assert "epochs 1 to 2" in plan.table
    trained = {group["name"] for group in plan.optimizer.param_groups} - {"others"}
    assert {"frontend.project", "encoder.blocks[-2:]", "output"} <= trained


@pytest.mark.parametrize(
    ("name", "overrides", "millions"),
    [
        ("lact_base.yaml", {}, 91.08),
        ("lact_improved.yaml", {}, 235.2),
        ("lact_large.yaml", {}, 697.1),
        (
            "lact_large.yaml",
            {"d_model": 1024, "num_heads": 16, "num_lact_heads": 8},
            313.4,
        ),
        ("lact_streaming.yaml", {}, 74.48),
        ("hybrid_wav2vec2.yaml", {}, 175.9),
        ("hybrid_demo.yaml", {}, 2.131),
    ],
)
def test_full_size_models_have_their_size(name, overrides, millions, tmp_path):
    parameters = count_parameters(name, tmp_path, **overrides)
    assert parameters == pytest.approx(millions * 1e6, rel=0.01)


def test_the_hybrid_is_as_published(tmp_path):
    """Its model is described at full size, and never allocated."""
    path = CTC / "hparams" / "hybrid_wav2vec2.yaml"
    with open(path, encoding="utf-8") as stream:
        resolved = resolve_references(stream, {"data_folder": "corpus"}).read()
    (tmp_path / "hyperparams.yaml").write_text(resolved)
    with torch.device("meta"):
        model = build_model(read_hyperparameter(tmp_path / "hyperparams.yaml", "model"))
    assert model.frame_rate == 80
    assert model.masked_predictor.share == 0.15
    encoder = model.encoder
    assert (len(encoder.blocks), encoder.d_model, encoder.layer_drop) == (16, 768, 0.05)
    mixer = encoder.blocks[0].mixer
    assert mixer.attention.num_heads == 8
    assert mixer.fast.gate.shape == (1, 1536, 768)
    assert (mixer.fast.base_lr, mixer.fast.rule.optimizer) == (0.01, "muon")
    hparams = load_small(path, tmp_path)
    assert hparams["max_train_duration"] * 16000 == 250_000
    assert hparams["grad_accumulation_factor"] == 2
    assert hparams["parameter_groups"] == [{"match": "frontend.cnn", "lr_scale": 0.1}]
    peak, schedule = hparams["learning_rate"], hparams["schedule"]
    rates = [peak * schedule(step, 100_000) for step in (0, 9_999, 100_000)]
    assert rates == pytest.approx([5e-5, 5e-4, 5e-6], rel=0.01)


def test_demo_is_small(tmp_path):
    assert 1e6 <= count_parameters("lact_demo.yaml", tmp_path) <= 2e6


@pytest.mark.parametrize("size", ["base", "improved", "large"])
def test_full_size_settings_are_those_of_the_published_guide(size, tmp_path):
    hparams = load_small(CTC / "hparams" / f"lact_{size}.yaml", tmp_path)
    expected = {
        "max_batch_size": 12,
        "grad_accumulation_factor": 2,
        "learning_rate": 1e-4,
        "warmup_steps": 2000,
        "max_grad_norm": 1.0,
        "num_epochs": 40,
        "max_train_duration": 20.0,
        "sample_interval": 500,
        "valid_interval": 1000,
        "checkpoint_interval": 5000,
        "precision": "fp32",
    }
    assert {key: hparams[key] for key in expected} == expected
    # twelve of the longest fit
    assert hparams["max_batch_length"] == 12 * 20
    assert hparams["opt_class"].func is torch.optim.AdamW
    schedule = hparams["schedule"]
    assert schedule(1999, 100_000) == 1.0
    # cosine: half-way between the warm-up's end and the training's
    assert schedule(51_000, 100_000) == pytest.approx(0.5)


def test_base_for_common_voice_has_the_settings_of_the_published_guide(tmp_path):
    hparams = load_small(COMMON_VOICE / "CTC" / "hparams" / "lact_base.yaml", tmp_path)
    expected = {
        "target_effective_batch": 64,
        "learning_rate": 2e-4,
        "warmup_steps": 500,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "precision": "bf16",
    }
    assert {key: hparams[key] for key in expected} == expected
    # cosine: half-way between the warm-up's end and the training's
    assert hparams["schedule"](50_250, 100_000) == pytest.approx(0.5)
    frames, bands = hparams["fea_augment"].augmentations.values()
    assert (frames.dim, frames.drop_length_high, frames.drop_count_high) == (1, 81, 2)
    # 27 of 128 bands are as much as 17 of 80
    assert (bands.dim, bands.drop_length_high, bands.drop_count_high) == (2, 18, 2)


@pytest.mark.parametrize(
    "path", sorted(COMMON_VOICE.glob("*/hparams/*.yaml")), ids=name_of
)
def test_language_and_training_splits_reach_the_preparation(path, tmp_path):
    hparams = load_small(path, tmp_path, language="he", train_splits=["validated"])
    assert hparams["preparation"]["language"] == "he"
    assert hparams["preparation"]["limited_splits"] == ["validated"]
    known = inspect.signature(prepare_commonvoice).parameters
    assert hparams["preparation"].keys() <= known.keys()


def test_lact_base_takes_a_training_step(tmp_path):
    hparams = load_hparams(
        CTC / "hparams" / "lact_base.yaml",
        {"data_folder": "corpus", "output_folder": str(tmp_path)},
    )
    model = hparams["model"].train()
    optimizer = hparams["opt_class"](model.parameters())
    log_probs, frames = model(0.1 * torch.randn(1, 16_000), torch.tensor([16_000]))
    loss = torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1),
        torch.randint(1, hparams["num_tokens"], (1, 10)),
        frames,
        torch.tensor([10]),
    )
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), hparams["max_grad_norm"])
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer.step()
    assert loss.isfinite()
    assert 0 < norm < torch.inf
    for name, parameter in model.named_parameters():
        assert parameter.isfinite().all(), name
        assert not torch.equal(parameter, before[name]), name
