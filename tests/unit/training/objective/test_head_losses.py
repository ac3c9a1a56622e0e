"""Losses of heads against CTC on encoders that are cut at their blocks."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from speechbrain.core import Stage
from speechbrain.dataio.batch import PaddedBatch

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.encoders.dynamic_chunks import DynamicChunks
from lact_modules.encoders.early_exit import exit_at
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.layers import AttentionMixer, FeedForward
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.training.objective.auxiliary import AuxiliaryLosses
from lact_modules.training.objective.head_losses import HeadsWatch
from lact_modules.training.objective.losses import ctc_losses
from tests import processes

TOKENS, NUM_TOKENS = torch.tensor([[1, 2, 2], [3, 4, 0]]), torch.tensor([3, 2])
WAVEFORM, SAMPLES = torch.randn(2, 16000), torch.tensor([16000, 6400])
# whose segments are of two chunks
SEGMENTS = DynamicChunks([4], [8], full_context_prob=0.0, backprop_frames=8)


def make_model(**options):
    torch.manual_seed(0)
    mixer, ffn = partial(AttentionMixer, 8, 2), partial(FeedForward, 8, 16)
    encoder = Encoder(8, 4, mixer, ffn, **options)
    return CTCModel(MelFrontend(8, channels=4, dropout=0.0), encoder, 5)


def watch_pass(model):
    watch = HeadsWatch.of(model)
    watch.begin()
    model(WAVEFORM, SAMPLES)
    return watch


def on_chunks(router="uniform", **options):
    chunking = partial(DynamicChunking, router=router)
    return {"dynamic_chunking": chunking, "block_split": [1, 2], **options}


MODELS = {
    "whole": {},
    "in segments": {"streaming_chunks": SEGMENTS},
    "dynamic chunks": on_chunks(),
    "dynamic chunks, in segments": on_chunks(streaming_chunks=SEGMENTS),
    "ctc-blank": on_chunks("ctc-blank"),
}


def compare(model, block):
    """Check that loss and gradients are those of CTC on an encoder cut at the block."""
    early = exit_at(deepcopy(model), block).train()
    output = watch_pass(model).output(f"{block}")
    log_probs, frames = early(WAVEFORM, SAMPLES)
    assert output.lengths.tolist() == frames.tolist()
    losses = []
    for outputs in (output, (log_probs, frames)):
        loss, is_infeasible = ctc_losses(*outputs, TOKENS, NUM_TOKENS)
        assert (loss > 0).all()
        assert not is_infeasible.any()
        loss.sum().backward()
        losses.append(loss)
    torch.testing.assert_close(*losses)
    for name, parameter in early.encoder.blocks.named_parameters():
        torch.testing.assert_close(
            model.encoder.blocks.get_parameter(name).grad,
            parameter.grad,
            rtol=1e-3,
            atol=1e-5,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("block", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_a_loss_is_that_of_ctc_on_the_blocks_below(name, block):
    heads = {block: "self-conditioned-ctc"}
    compare(make_model(heads=heads, **MODELS[name]).train(), block)


@pytest.mark.parametrize("block", [2, 3])
def test_a_loss_on_chunks_is_that_of_ctc_on_the_chunks(block):
    compare(make_model(heads={block: "ctc"}, **on_chunks()).train(), block)


def test_chunks_of_segments_are_joined_by_utterance():
    options = on_chunks(streaming_chunks=SEGMENTS)
    watch = watch_pass(make_model(heads={3: "ctc"}, **options).train())
    calls = watch.calls["3"]
    assert {call.row for call in calls} == {0, 1}
    output = watch.output("3")
    for row, length in enumerate(output.lengths):
        # in the order of time, whatever the segments
        mine = torch.cat([call.values[0] for call in calls if call.row == row])
        assert torch.equal(output.values[row, :length], mine)
    assert output.lengths.tolist() == [13, 5]


def test_an_utterance_without_frames_has_no_loss():
    watch = HeadsWatch.of(
        make_model(heads={3: "ctc"}, **on_chunks(streaming_chunks=SEGMENTS))
    )
    encoder = watch.encoder.train()
    watch.begin()
    encoder(torch.randn(2, 12, 8), torch.tensor([0, 12]))
    assert watch.output("3").lengths.tolist() == [0, 6]
    losses, _ = watch.losses(TOKENS[:, :2], torch.tensor([0, 2]))
    assert losses[0] == 0 < losses[1]


def test_utterances_with_too_few_segments_are_skipped_with_a_warning(caplog):
    model = make_model(heads={1: "ctc", 3: "ctc"}, **on_chunks()).train()
    tokens = torch.arange(1, 5).repeat(2, 5)
    num_tokens = torch.tensor([20, 4])
    auxiliary = AuxiliaryLosses(model, inter_ctc_weight=0.5)
    auxiliary.begin()
    model(WAVEFORM, SAMPLES)
    frames, segments = (auxiliary.heads.output(name) for name in "13")
    assert segments.lengths[0] < 20 <= frames.lengths[0]
    ctc = torch.tensor([100.0, 10.0])
    losses = auxiliary.share_with_heads(ctc, tokens, num_tokens, Stage.TRAIN)
    on_frames, _ = ctc_losses(*frames, tokens, num_tokens)
    on_segments, _ = ctc_losses(*segments, tokens, num_tokens)
    by_heads = [on_frames[0], (on_frames[1] + on_segments[1]) / 2]
    torch.testing.assert_close(losses, (ctc + torch.stack(by_heads)) / 2)
    auxiliary.end(Stage.TRAIN)
    assert "head after block 3: 1 utterances have more labels" in caplog.text
    # without a head that has enough frames, the output has the whole loss
    model.encoder.heads["1"].requires_grad_(False)
    losses = auxiliary.share_with_heads(ctc, tokens, num_tokens, Stage.TRAIN)
    assert losses[0] == ctc[0]


def test_frozen_heads_have_no_share():
    model = make_model(heads={1: "ctc", 3: "ctc"}).train()
    model.encoder.heads["1"].requires_grad_(False)
    watch = watch_pass(model)
    losses, num_heads = watch.losses(TOKENS, NUM_TOKENS)
    alone, _ = ctc_losses(*watch.output("3"), TOKENS, NUM_TOKENS)
    assert num_heads.tolist() == [1, 1]
    assert torch.equal(losses, alone)
    assert [*watch.metrics()] == ["ctc/3"]


def test_losses_of_several_heads_are_averaged_and_logged():
    watch = watch_pass(make_model(heads={1: "ctc", 3: "ctc"}).train())
    mean, num_heads = watch.losses(TOKENS, NUM_TOKENS)
    assert num_heads.tolist() == [2, 2]
    each = [ctc_losses(*watch.output(name), TOKENS, NUM_TOKENS)[0] for name in "13"]
    torch.testing.assert_close(mean, (each[0] + each[1]) / 2)
    assert watch.metrics() == {
        f"ctc/{name}": pytest.approx(loss.sum().item() / 5)
        for name, loss in zip("13", each, strict=True)
    }


def test_the_first_pass_counts_and_only_in_training():
    model = make_model(heads={2: "ctc"}).train()
    watch = watch_pass(model)
    first = watch.output("2")
    model(torch.randn(2, 16000), SAMPLES)
    assert torch.equal(watch.output("2").values, first.values)
    watch = watch_pass(model.eval())
    assert watch.output("2") is None
    assert [each.tolist() for each in watch.losses(TOKENS, NUM_TOKENS)] == [[0, 0]] * 2
    assert HeadsWatch.of(make_model()) is None


@pytest.mark.parametrize("case", ["heads", "attention, heads, layer_drop"])
def test_the_weight_parts_the_loss_of_ctc(case, tmp_path):
    recipe, _ = processes.CASES[case]
    batch = PaddedBatch(processes.make_examples(0, 2))
    brain = processes.make_brain(tmp_path, *recipe, effective=False)
    outputs, losses = brain.compute_forward(batch, Stage.TRAIN), {}

    def found(stage):
        return brain.compute_objectives(outputs, batch, stage).utterances

    for weight in (0.0, 0.25, 1.0):
        brain.auxiliary.inter_ctc_weight = weight
        losses[weight] = found(Stage.TRAIN)
    shown = brain.step_metrics()
    dev = found(Stage.VALID)
    parted = 0.75 * losses[0.0] + 0.25 * losses[1.0]
    torch.testing.assert_close(losses[0.25], parted)
    assert not torch.allclose(losses[0.0], losses[1.0])
    # what is validated is the output, whatever the weight
    torch.testing.assert_close(dev, losses[0.0])
    assert {*shown} >= {"ctc/1", "ctc/2"}


def test_a_weight_that_leaves_the_output_untrained_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"inter_ctc_weight 1.0: expected .* below 1"):
        processes.make_brain(
            tmp_path, *processes.CTC, "inter_ctc_weight: 1.0", effective=False
        )
