"""A comparison's systems: one recipe, another encoder, as many parameters."""

import difflib
import io
from pathlib import Path
from statistics import mean

import pytest
import torch
from hyperpyyaml import resolve_references
from ruamel.yaml import YAML

from lact_modules.model_store.model_builder import build_model
from lact_modules.model_store.run.hyperparameters import read_hyperparameter

ROOT = Path(__file__).parents[2]
ASR = ROOT / "recipes" / "LibriSpeech" / "ASR"
FRAGMENTS = ROOT / "hparams"


def systems(recipe, *names):
    return [ASR / recipe / "hparams" / f"{name}.yaml" for name in names]


MIXERS = ("conformer", "conmamba", "gated_deltanet")
DEMOS = ("lact", *MIXERS, "summary")
STREAMING = ("lact", "conformer", "gated_deltanet")

# LaCT comes first
GROUPS = [
    systems("CTC", *(f"{name}_demo" for name in DEMOS)),
    systems("CTC", *(f"{name}_streaming_demo" for name in STREAMING)),
    systems("CTC", "lact_hnet_demo", "conmamba_hnet_demo"),
    systems("CTC", "lact_matched", *(f"{name}_large" for name in MIXERS)),
    *(
        systems("CTC", *(f"{name}_{size}" for name in ("lact", *MIXERS)))
        for size in ("mini", "ls100")
    ),
    systems("transformer", "lact_small_hnet", "conmamba_small_hnet"),
    *(
        systems("transformer", *(f"{name}_{size}" for name in ("lact", *MIXERS)))
        for size in ("small", "small_ls100", "base_ls100", "large")
    ),
]
PAIRS = [
    pytest.param(group[0], system, id=f"{group[0].stem}-{system.stem}")
    for group in GROUPS
    for system in group[1:]
]

# another decoder, the same encoder
DECODERS = systems("transformer", "conmamba_small", "conmamba_mamba_small")

# some blocks on segments, and none
CHUNKED = [
    systems("CTC", "lact_hnet_demo", "lact_demo"),
    systems("CTC", "conmamba_hnet_demo", "conmamba_demo"),
    systems("transformer", "lact_small_hnet", "lact_small"),
    systems("transformer", "conmamba_small_hnet", "conmamba_small"),
]

# Mamba-ASR's counts of its models
PUBLISHED = {
    ("CTC", "conformer_large"): 28.79e6,
    ("CTC", "conmamba_large"): 31.56e6,
    ("transformer", "conformer_small"): 13.33e6,
    ("transformer", "conmamba_small"): 14.08e6,
    ("transformer", "conformer_large"): 109.14e6,
    ("transformer", "conmamba_large"): 115.19e6,
}


def settings(text, system):
    """Split a recipe into lines without comments, and without the system's name."""
    lines = text.replace(system, "SYSTEM").splitlines()
    return [line for line in lines if not line.lstrip().startswith("#")]


def resolve(path):
    """Resolve references and included files; what a run's folder would hold."""
    with path.open() as stream:
        return resolve_references(stream, {"data_folder": "none"}).getvalue()


def resolve_without_encoder(path):
    """Return the names of all settings, and the settings but for the encoder's."""
    tree = YAML().load(resolve(path))
    del tree["encoder"], tree["model"]["encoder"]
    stream = io.StringIO()
    YAML().dump(tree, stream)
    return tree.keys(), settings(stream.getvalue(), path.stem)


def count_parameters(path, folder):
    """Count without allocating, of the model as it is built for inference."""
    run = folder / f"{path.stem}.yaml"
    run.write_text(resolve(path))
    with torch.device("meta"):
        model = build_model(read_hyperparameter(run, "model"))
    return sum(parameter.numel() for parameter in model.parameters())


def differing(first, second):
    """Compare two recipes line by line."""
    lines = [settings(path.read_text(), path.stem) for path in (first, second)]
    return [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]]


def fragment(name):
    """Read an encoder's lines by entry, without its comment."""
    entries = {}
    path = FRAGMENTS / "encoder" / f"{name}.yaml"
    for line in settings(path.read_text(), name):
        if not line.startswith(" "):
            key = line.partition(":")[0]
        entries.setdefault(key, []).append(line)
    return entries


def test_every_baseline_stands_in_a_comparison():
    compared = {path for group in (*GROUPS, DECODERS) for path in group}
    recipes = (ROOT / "recipes").glob("**/hparams/*.yaml")
    baselines = [path for path in recipes if path.stem.startswith(DEMOS[1:])]
    assert baselines
    assert set(baselines) <= compared
    assert all(group[0].stem.startswith("lact") for group in GROUPS)


@pytest.mark.parametrize(("lact", "baseline"), PAIRS)
def test_systems_differ_in_one_include_line(lact, baseline):
    [pair] = differing(lact, baseline)
    assert all(line.startswith("encoder: !include:") for line in pair)


def test_decoders_differ_in_one_include_line():
    [pair] = differing(*DECODERS)
    assert all(line.startswith("decoder: !include:") for line in pair)


@pytest.mark.parametrize(("chunked", "parent"), CHUNKED)
def test_dynamic_chunking_is_one_include_and_what_it_is_given(chunked, parent):
    lines, others = (
        settings(path.read_text(), path.stem) for path in (chunked, parent)
    )
    changes = [line for line in difflib.ndiff(others, lines) if line[0] in "+-"]
    include, *given = (line[1:].strip() for line in changes)
    assert include.startswith("dynamic_chunking: !include:")
    names = {line.partition(":")[0] for line in given}
    assert names <= {"keep_ratio", "hold_steps", "warmup_steps"}


@pytest.mark.parametrize(("lact", "baseline"), PAIRS)
def test_all_but_the_encoder_resolves_to_the_same(lact, baseline):
    keys, expected = resolve_without_encoder(lact)
    other_keys, resolved = resolve_without_encoder(baseline)
    schedule = {"learning_rate", "warmup_steps", "num_epochs", "seed"}
    batches = {"max_batch_length", "max_batch_size", "grad_accumulation_factor"}
    assert schedule | batches | {"wav_augment", "fea_augment"} <= keys
    assert other_keys == keys
    assert resolved == expected


@pytest.mark.parametrize(("lact", "baseline"), PAIRS)
def test_systems_have_as_many_parameters_as_lact(lact, baseline, tmp_path):
    expected = count_parameters(lact, tmp_path)
    assert count_parameters(baseline, tmp_path) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("recipe", "system"), PUBLISHED)
def test_published_parameter_counts_are_met(recipe, system, tmp_path):
    [path] = systems(recipe, system)
    expected = PUBLISHED[recipe, system]
    assert count_parameters(path, tmp_path) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", DEMOS[1:])
def test_encoders_differ_in_the_mixer_alone(name):
    lact, other = fragment("lact_conformer"), fragment(name)
    assert lact.pop("mixer") != other.pop("mixer")
    # which blocks have fast weights
    del lact["layout"]
    assert lact == other


@pytest.mark.parametrize(
    ("name", "variant", "entries"),
    [
        ("conmamba", "conmamba_narrow", {"ffn_in", "ffn_out"}),
        ("conformer", "conformer_relpos", {"mixer"}),
        ("gated_deltanet", "gated_deltanet_narrow", {"mixer"}),
        ("lact_conformer", "lact_conformer_wide", {"mixer", "layout"}),
    ],
)
def test_variants_differ_in_one_line_of_each_entry(name, variant, entries):
    lines, other_lines = fragment(name), fragment(variant)
    assert lines.keys() == other_lines.keys()
    assert {key for key in lines if lines[key] != other_lines[key]} == entries
    for key in entries:
        assert len(set(lines[key]) ^ set(other_lines[key])) <= 2


@pytest.mark.parametrize("system", [f"{name}_demo" for name in MIXERS])
def test_baselines_train_like_lact(train, system, tmp_path):
    run = train(tmp_path, hparams=system, num_epochs=2)
    assert run.code == 0
    assert run.steps() == list(range(1, 21))
    losses = [entry["loss"] for entry in run.metrics("train")]
    # batches differ: one may be harder than another
    assert mean(losses[-5:]) < mean(losses[:5]) - 1
    assert run.result["model"] == system
