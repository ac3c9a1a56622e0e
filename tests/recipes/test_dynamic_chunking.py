"""Recipes whose inner blocks run on segments train, and their models serve."""

import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.inference.transcriber import Transcriber

ENCODER = "{{num_layers: 3, dropout: 0.0, dynamic_chunking: {{{}}}}}"


def chunked(train, folder, settings, **options):
    encoder = ENCODER.format(f"hold_steps: 1, warmup_steps: 5, {settings}")
    return train(
        folder,
        hparams="lact_hnet_demo",
        encoder=encoder,
        test_splits="[dev]",
        **options,
    )


@pytest.fixture(scope="module")
def in_segments(train, tmp_path_factory):
    """A model whose CTC layer is given the segments."""
    folder = tmp_path_factory.mktemp("segments") / "run"
    return chunked(train, folder, "upsample: false, keep_ratio: 0.25")


@pytest.mark.parametrize("router", ["cosine", "uniform", "ctc-blank", "similarity"])
def test_each_router_trains_and_keeps_the_requested_share(train, tmp_path, router):
    run = chunked(train, tmp_path, f"router: {router}", num_epochs=2, pause_prob=0)
    assert run.code == 0
    entries = run.metrics("train")
    assert entries[-1]["loss"] < entries[0]["loss"] - 0.5
    assert entries[0]["segments/keep_ratio"] == 1
    assert entries[-1]["segments/keep_ratio"] == pytest.approx(0.5, abs=0.02)
    assert 0.2 < run.result["metrics"]["dev"]["greedy"]["keep_ratio"] < 0.8


def test_ctc_on_segments_counts_what_they_are_too_few_for(in_segments):
    assert in_segments.code == 0
    for stage in ("train, epoch 1", "valid, epoch 1", "test"):
        assert f"{stage}: " in in_segments.log
    infeasible = in_segments.result["metrics"]["dev"]["greedy"]["infeasible"]
    assert f"test: {infeasible} utterances have more labels than frames" in (
        in_segments.log
    )


def test_ctc_on_segments_gives_words_their_times_on_average(in_segments):
    transcriber = Transcriber.from_folder(in_segments.folder)
    log_probs, lengths = transcriber.run_model([torch.randn(32000)])
    assert log_probs.shape[1] == lengths.item() < 50
    assert transcriber.model.frame_rate == 25 * 0.25


def test_ctc_on_segments_is_refused_for_streams(in_segments):
    with pytest.raises(InputError, match="upsample"):
        Transcriber.from_folder(in_segments.folder, chunk_seconds=0.32)


def test_a_router_does_not_read_a_head_that_nothing_trains(train, tmp_path):
    run = chunked(train, tmp_path, "router: ctc-blank", inter_ctc_weight=0)
    assert run.code == 2
    assert "inter_ctc_weight: 0, but router ctc-blank reads the head" in run.error
