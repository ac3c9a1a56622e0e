"""Half as many bits for products, and all of them for the rest."""

import logging

import pytest
import torch

from lact_modules.data.audio import load_audio
from lact_modules.errors import InputError
from lact_modules.inference.precision import Caster
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.inference.transcriber import Transcriber
from lact_modules.layers.fast_weight_memory import FastWeightMemory
from lact_modules.model_store.loading import load_model


@pytest.fixture
def waveforms(audio_folder):
    return [load_audio(path) for path in sorted(audio_folder.iterdir())]


# what a command would show of torch
@pytest.mark.filterwarnings("error")
def test_half_precision_recognizes_the_same_with_half_the_bits(trained_run, waveforms):
    outputs = {}
    for precision in ("fp32", "bf16"):
        transcriber = Transcriber.from_folder(trained_run, precision=precision)
        outputs[precision], lengths, *_ = transcriber.run_model(waveforms)
    is_valid = torch.arange(outputs["fp32"].shape[1]) < lengths[:, None]
    full, half = (outputs[each][is_valid] for each in ("fp32", "bf16"))
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    assert (full.argmax(-1) == half.argmax(-1)).float().mean() > 0.97


def test_products_alone_are_converted_and_once(trained_run):
    model = load_model(trained_run).model
    Caster(model, "bf16", "cpu")
    halves = {n for n, x in model.named_parameters() if x.dtype == torch.bfloat16}
    [memory, *_] = (x for x in model.modules() if isinstance(x, FastWeightMemory))
    rest = [*memory.initial, *model.encoder.norm.parameters(), model.output.weight]
    assert "frontend.project.weight" in halves
    assert any("ffn_in" in name for name in halves)
    assert {each.dtype for each in rest} == {torch.float32}


def test_routers_keep_all_bits(chunked_run, waveforms):
    transcriber = Transcriber.from_folder(chunked_run, precision="bf16")
    router = transcriber.model.encoder.dynamic_chunking.router
    assert {each.dtype for each in router.parameters()} == {torch.float32}
    assert len(transcriber.transcribe(waveforms[:2])) == 2


def test_a_stream_in_half_precision_is_the_same_in_pieces_as_at_once(
    streaming_run, waveforms
):
    trained = load_model(streaming_run)
    recognizer = StreamingRecognizer(trained, 0.32, precision="bf16")
    speech = torch.cat(waveforms)
    recognizer.accept(speech)
    whole = recognizer.finish()
    for piece in speech.split(7000):
        recognizer.accept(piece)
    assert recognizer.finish() == whole
    assert len(whole) > 20


@pytest.mark.parametrize(
    ("precision", "message"),
    [("int8", "'int8': choose one of fp32, bf16, fp16"), ("fp16", "needs a GPU")],
)
def test_what_there_is_no_use_for_is_refused(trained_run, precision, message):
    with pytest.raises(InputError, match=f"precision .*{message}"):
        Transcriber.from_folder(trained_run, precision=precision)


def test_test_time_training_wants_all_bits(trained_run):
    with pytest.raises(InputError, match="precision bf16: --ttt"):
        Transcriber.from_folder(trained_run, ttt={"method": "lact"}, precision="bf16")


@pytest.mark.parametrize("has_amx", [True, False])
def test_a_processor_that_gains_nothing_is_reported(
    trained_run, monkeypatch, caplog, has_amx
):
    found = {"architecture": "x86_64", "amx_bf16": has_amx}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    model = load_model(trained_run).model
    with caplog.at_level(logging.WARNING):
        Caster(model, "bf16", "cpu")
    assert ("no AMX" in caplog.text) != has_amx


@pytest.fixture
def tf32():
    """Return the settings of TF32, at first forbidden."""
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [each.allow_tf32 for each in backends]
    for each in backends:
        each.allow_tf32 = False
    yield backends
    for each, is_allowed in zip(backends, before, strict=True):
        each.allow_tf32 = is_allowed


@pytest.mark.parametrize("forbidden", ["", "allow_tf32"])
def test_gpus_may_round_to_tf32_as_in_training(
    trained_run, monkeypatch, tf32, forbidden
):
    monkeypatch.setenv("SB_DISABLE_QUIRKS", forbidden)
    Caster(load_model(trained_run).model, "fp32", "cpu")
    assert [each.allow_tf32 for each in tf32] == [not forbidden] * 2
