"""The contract of cost: which encoders are linear in the length of the speech."""

import random
import re
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lact_modules.layers.chunking import Chunking

ROOT = Path(__file__).parents[2]
FRAGMENTS = sorted(path.stem for path in (ROOT / "hparams" / "encoder").glob("*.yaml"))
FULL = [name for name in FRAGMENTS if name.startswith(("conformer", "speechbrain"))]
LINEAR = [name for name in FRAGMENTS if name not in FULL]
# those without relative positions, and without a memory that goes from both ends
CAN_BE_CHUNKED = r"lact|conformer(?!_relpos)|gated_deltanet_streaming"
CHUNKED = [*filter(re.compile(CAN_BE_CHUNKED).match, FRAGMENTS)]
DYNAMIC = "with dynamic chunking"

# longer than any window, and no multiple of a chunk
NUM_FRAMES = 301
# when the frames are doubled; blocks are rounded up
LINEAR_GROWTH, FULL_GROWTH = 2.2, 3.5
D_MODEL = 48


class LargestTensor(TorchDispatchMode):
    """Counts the elements of the largest tensor that is made, views as their memory."""

    def __init__(self):
        super().__init__()
        self.num_elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        output = func(*args, **(kwargs or {}))
        for each in tree_leaves(output):
            if isinstance(each, torch.Tensor):
                size = each.untyped_storage().nbytes() // each.itemsize
                self.num_elements = max(self.num_elements, size)
        return output


def build(name):
    """Build a small encoder of a fragment."""
    fragment, _, is_dynamic = name.partition(" ")
    lines = [
        f"encoder: !include:hparams/encoder/{fragment}.yaml",
        f"    d_model: {D_MODEL}",
    ]
    if is_dynamic:
        lines.append("    dynamic_chunking: !include:hparams/chunking/dynamic.yaml")
    layers = {"num_layers": 2 if is_dynamic else 1}
    if fragment.startswith("speechbrain"):
        layers = {"encoder": layers}
    return load_hyperpyyaml("\n".join(lines), {"encoder": layers})["encoder"]


def whole(encoder, x, lengths):
    encoder.eval()(x, lengths)


def in_chunks(encoder, x, lengths):
    encoder.eval().chunked(x, lengths, Chunking(size=16, left=64))


def training(encoder, x, lengths):
    output, _ = encoder.train()(x.requires_grad_(), lengths)
    output.square().mean().backward()


def growth(run, name, shares=(1.0, 0.7)):
    """Return how the largest tensor grows when the frames are doubled."""
    encoder, counts = build(name), []
    for num_frames in (NUM_FRAMES, 2 * NUM_FRAMES):
        x = torch.randn(len(shares), num_frames, D_MODEL)
        lengths = torch.tensor([round(share * num_frames) for share in shares])
        # how streams are divided in training is drawn alike for each length
        random.seed(0)
        # what fused attention keeps to itself is made, and seen, in this one
        with sdpa_kernel(SDPBackend.MATH), LargestTensor() as largest:
            run(encoder, x, lengths)
        counts.append(largest.num_elements)
    return counts[1] / counts[0]


@pytest.fixture(autouse=True)
def fragments_are_found(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("shares", "written_in"),
    [((1.0,), "PyTorch"), ((1.0, 0.7), "PyTorch"), ((1.0, 0.7), "C++")],
    ids=str,
)
@pytest.mark.parametrize("name", LINEAR)
def test_linear_encoders_are_linear(name, shares, written_in, monkeypatch):
    # C++ may make tensors where nobody sees it
    monkeypatch.setenv("LACT_NATIVE", str(int(written_in == "C++")))
    assert growth(whole, name, shares) <= LINEAR_GROWTH


@pytest.mark.parametrize("name", ["lact_conformer", "conmamba"])
def test_they_are_with_dynamic_chunking(name):
    assert growth(whole, f"{name} {DYNAMIC}") <= LINEAR_GROWTH


@pytest.mark.parametrize("name", LINEAR)
def test_they_are_in_training(name):
    assert growth(training, name) <= LINEAR_GROWTH


@pytest.mark.parametrize("name", CHUNKED)
def test_any_encoder_is_in_chunks(name):
    assert growth(in_chunks, name) <= LINEAR_GROWTH


@pytest.mark.parametrize("name", FULL)
def test_full_attention_is_not(name):
    assert growth(whole, name) >= FULL_GROWTH


def test_it_is_not_in_training():
    assert growth(training, "conformer") >= FULL_GROWTH


def test_recipes_leave_the_windows_as_they_were_counted():
    recipes = sorted((ROOT / "recipes").glob("*/ASR/*/hparams/*.yaml"))
    assert recipes
    for recipe in recipes:
        text = recipe.read_text(encoding="utf-8")
        [fragment] = re.findall(
            r"^encoder: !include:.*/encoder/(\w+)\.yaml", text, re.M
        )
        assert fragment in FRAGMENTS, recipe
        assert "window:" not in text, recipe
