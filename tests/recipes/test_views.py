"""Two views of each utterance, and what they disagree (CR-CTC), in the recipes."""

import pytest
import torch

from lact_modules.encoders import CTCModel, S2SModel

CR = {"cr_loss_scale": 0.2, "cr_warmup_steps": 3, "test_splits": "[]"}
WHOLE = {"num_epochs": 2, "encoder": "{num_layers: 1, dropout: 0.1}", **CR}
SHORT = {"optimizer_step_limit": 3, **CR}
AS_IT_IS = {"wav_augment": "{augment_prob: 0.0}", "pause_prob": 0.0}


@pytest.fixture
def inputs(monkeypatch):
    """Batches in training, and in validation and tests: waveforms and lengths."""
    batches = {True: [], False: []}

    def record(model_class):
        forward = model_class.forward

        def recording_forward(model, waveform, lengths, *arguments, **options):
            batches[model.training].append((waveform, lengths))
            return forward(model, waveform, lengths, *arguments, **options)

        monkeypatch.setattr(model_class, "forward", recording_forward)

    record(CTCModel)
    record(S2SModel)
    return batches


def numbers(run, *names):
    return [tuple(entry[name] for name in names) for entry in run.metrics("train")]


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """A run that nothing stops: 2 epochs of 10 steps, with dropout."""
    return train(tmp_path_factory.mktemp("views"), **WHOLE)


def test_the_loss_is_ctc_and_what_views_disagree_warmed_up(whole):
    assert whole.code == 0, whole.error
    found = numbers(whole, "step", "loss", "ctc", "cr")
    assert len(found) == 20
    for step, loss, ctc, cr in found:
        weight = 0.2 * min(1.0, (step - 1) / 3)
        assert loss == pytest.approx(ctc + weight * cr, rel=1e-5)
        assert cr > 0
    assert found[-1][2] < found[0][2] - 0.5


def test_a_resumed_run_continues_alike(whole, train, tmp_path):
    assert train(tmp_path, optimizer_step_limit=7, **WHOLE).code == 0
    resumed = train(tmp_path, **WHOLE)
    names = "step", "loss", "ctc", "cr", "grad_norm"
    assert numbers(resumed, *names) == numbers(whole, *names)


def test_both_views_have_one_speed_and_masks_of_their_own(train, inputs, tmp_path):
    pauses = {"pause_prob": 1.0, "pause_seconds": "[0.1, 0.2]"}
    run = train(tmp_path / "masked", **pauses, **SHORT)
    assert len(inputs[True]) == 3
    for waveform, lengths in inputs[True]:
        assert len(lengths) == 4
        assert torch.equal(*waveform.chunk(2))
        assert torch.equal(*lengths.chunk(2))
    # after a second of noise, the four utterances of dev
    assert {len(lengths) for _, lengths in inputs[False][1:]} == {4}
    # there is no dropout
    assert all(cr > 0 for (cr,) in numbers(run, "cr"))
    alike = train(tmp_path / "alike", fea_augment="null", **AS_IT_IS, **SHORT)
    # but for rounding
    assert all(cr < 1e-9 for (cr,) in numbers(alike, "cr"))


@pytest.mark.parametrize(
    "options",
    [
        {
            "encoder": "{num_layers: 2, heads: {1: ctc}}",
            # masked prediction
            "model": "{enable_ttt: true}",
            "grad_accumulation_factor": 2,
        },
        {
            "encoder": "{num_layers: 3, dynamic_chunking: {hold_steps: 1}}",
            "hparams": "lact_hnet_demo",
            "target_effective_batch": 4,
        },
        # both views are divided alike
        {"hparams": "lact_streaming_demo"},
    ],
    ids=["heads", "chunks-of-frames", "streaming"],
)
def test_goes_with_what_else_a_model_learns(train, inputs, tmp_path, options):
    run = train(tmp_path, **SHORT, **options)
    assert run.code == 0, run.error
    assert all(len(lengths) == 4 for _, lengths in inputs[True])
    assert all(ctc > 0 and cr > 0 for ctc, cr in numbers(run, "ctc", "cr"))


def test_attention_reads_both_views_too(train, inputs, tmp_path):
    run = train(
        tmp_path,
        recipe="ASR/transformer",
        d_ffn=64,
        num_tokens=40,
        num_decoder_layers=1,
        **SHORT,
    )
    assert run.code == 0, run.error
    assert all(len(lengths) == 4 for _, lengths in inputs[True])
    assert all(ctc > 0 and cr > 0 for ctc, cr in numbers(run, "ctc", "cr"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"meta_ttt": "suta"}, "cr_loss_scale 0.2: meta_ttt runs"),
        (
            {
                "hparams": "lact_hnet_demo",
                "encoder": "{num_layers: 3, dynamic_chunking: {upsample: false}}",
            },
            "set dynamic_chunking.upsample to true",
        ),
        (
            {"fea_augment": "null", "time_mask_scale": 2},
            "time_mask_scale 2: fea_augment has no time masks",
        ),
        ({"cr_loss_scale": -1}, "cr_loss_scale -1: expected a number of at least 0"),
    ],
)
def test_impossible_options_are_refused_before_training(
    train, tmp_path, options, words
):
    run = train(tmp_path / "run", **{**CR, **options})
    assert run.code == 2
    assert words in run.error.strip().splitlines()[-1]
    assert not (tmp_path / "run" / "hyperparams.yaml").exists()
