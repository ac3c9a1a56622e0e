"""The contract of devices: no tensor of another one, and nothing that is waited for.

No GPU is needed: fake tensors have a device, and no memory.
"""

import tempfile
import traceback
from pathlib import Path

import pytest
import torch
from hyperpyyaml import resolve_references
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from lact_modules.encoders import S2SModel
from lact_modules.encoders.streaming import StreamingEncoder
from lact_modules.inference.precision import Caster
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.layers.chunking import Chunking
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.model_store.model_builder import build_model
from lact_modules.model_store.run.hyperparameters import read_hyperparameter

aten = torch.ops.aten
ROOT = Path(__file__).parents[2]
CHUNKING = Chunking(size=4, left=8)
# of the encoder's frames, if they are 25 a second
NUM_SAMPLES = 6 * 640


class Waits(TorchDispatchMode):
    """Note where a program waits for a device, and return what it may continue with."""

    def __init__(self):
        super().__init__()
        self.places = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is aten._local_scalar_dense.default:
            self._note()
            # more than no frames, and fewer than all
            return False if args[0].dtype == torch.bool else 2
        output = func(*args, **kwargs)
        is_copy = func is aten._to_copy.default and args[0].device != output.device
        if is_copy and not kwargs.get("non_blocking"):
            self._note()
        return output

    def _note(self):
        stack = traceback.extract_stack()
        own = [each for each in stack if "lact_modules" in Path(each.filename).parts]
        self.places.append(own[-1].name if own else "")


def read_description(path):
    """Read what a recipe's model is built of, with two blocks at most."""
    with tempfile.TemporaryDirectory() as folder, path.open() as stream:
        run = Path(folder, "hyperparams.yaml")
        run.write_text(resolve_references(stream, {"data_folder": ""}).getvalue())
        return make_shallow(read_hyperparameter(run, "model"))


def make_shallow(node):
    if isinstance(node, list):
        return [*map(make_shallow, node)]
    if not isinstance(node, dict):
        return node
    shallow = {
        key: min(value, 2) if key == "num_layers" else make_shallow(value)
        for key, value in node.items()
    }
    if "heads" in shallow:
        heads = shallow["heads"].items()
        shallow["heads"] = {
            block if block == "middle" else min(int(block), 2): head
            for block, head in heads
        }
    return shallow


def kind_of(node):
    """Return a description without its sizes."""
    if isinstance(node, dict):
        return tuple((key, kind_of(value)) for key, value in node.items())
    if isinstance(node, list):
        return tuple(map(kind_of, node))
    return node if isinstance(node, (str, bool)) else type(node)


def find_kinds():
    """Find the recipes' models; those that differ in sizes alone are one."""
    kinds = {}
    for path in sorted((ROOT / "recipes").glob("*/ASR/*/hparams/*.yaml")):
        description = read_description(path)
        names, _ = kinds.setdefault(kind_of(description), ([], description))
        names.append(f"{path.parts[-3]}_{path.stem}")
    for names, description in kinds.values():
        yield pytest.param(description, id="+".join(names))


KINDS = [*find_kinds()]


def build_on(device, description, precision="fp32"):
    """Build a model of fake tensors, in `FakeTensorMode`, and what it runs in."""
    with torch.device("meta"), unset_fake_temporarily():
        model = build_model(description)
        caster = Caster(model, precision, device)
    model._apply(lambda x: torch.empty(x.shape, dtype=x.dtype, device=device))
    return model, caster


@pytest.fixture(autouse=True)
def conversions(monkeypatch):
    """Let modules be given fake tensors for real ones."""
    name = "_overwrite_module_params_on_conversion"
    monkeypatch.setattr(torch.__future__, name, True)


def run(model, device):
    """Run a model on two utterances."""
    waveform = torch.randn(2, NUM_SAMPLES, device=device)
    lengths = torch.full((2,), NUM_SAMPLES, device=device)
    if not isinstance(model, S2SModel):
        return model(waveform, lengths)
    tokens = torch.ones(2, 3, dtype=torch.int64, device=device)
    return model(waveform, lengths, tokens=tokens)


def expected_waits(model):
    """Dynamic chunking alone has to know how many segments there are, once a pass."""
    is_dynamic = any(isinstance(each, DynamicChunking) for each in model.modules())
    return ["boundary_frames"] if is_dynamic else []


@pytest.mark.parametrize("description", KINDS)
def test_a_forward_pass_stays_on_the_device_and_waits_for_nothing(description):
    with FakeTensorMode():
        model, _ = build_on("cuda", description)
        with Waits() as waits:
            output = run(model, "cuda")
    assert {each.device.type for each in output if each is not None} == {"cuda"}
    assert waits.places == expected_waits(model)


@pytest.mark.parametrize("description", KINDS)
def test_every_model_runs_in_half_precision(description):
    # without a GPU autocast leaves what is on one as it is
    with FakeTensorMode():
        model, caster = build_on("cpu", description, "bf16")
        with caster.running(), Waits():
            output = run(model.eval(), "cpu")
    # for what comes after: decoders and losses
    floats = {each.dtype for each in output if each is not None} - {torch.int64}
    assert floats == {torch.float32}


@pytest.mark.parametrize("description", KINDS)
def test_a_backward_pass_waits_for_nothing(description):
    # gradients on a GPU want one, and PyTorch's CTC loss reads lengths
    with FakeTensorMode():
        model, _ = build_on("cpu", description)
        with Waits():
            log_probs, _, *more = run(model, "cpu")
        loss = sum(each.sum() for each in (log_probs, *more) if each is not None)
        with Waits() as waits:
            loss.backward()
    assert not waits.places


STREAMS = [each for each in KINDS if "streaming" in each.id]


@pytest.mark.parametrize("description", STREAMS)
def test_a_stream_stays_on_the_device_and_waits_for_nothing(description):
    with FakeTensorMode():
        model, _ = build_on("cuda", description)
        model.eval()
        streaming = StreamingModel(model, StreamingEncoder(model.encoder, CHUNKING))
        state, outputs = streaming.start(batch_size=1), []
        with Waits() as waits:
            for _ in range(2):
                samples = torch.randn(1, NUM_SAMPLES, device="cuda")
                log_probs, state = streaming.accept(samples, state)
                outputs.append(log_probs)
            outputs.append(streaming.finish(state))
    assert {each.device.type for each in outputs} == {"cuda"}
    assert not waits.places
