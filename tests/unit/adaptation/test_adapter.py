"""Test-time training: what it lowers, what it leaves alone, and whom it listens to."""

import copy
from functools import partial

import pytest
import torch

from lact_modules.adaptation.gate import CleanStatistics, Traits
from lact_modules.adaptation.methods import METHODS, build_adapter
from lact_modules.adaptation.outputs import sum_certainty
from lact_modules.adaptation.step.parameters import Adaptable
from lact_modules.encoders import CTCModel, Encoder
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.layers import FeedForward, LaCTMixer
from lact_modules.layers.dynamic_chunking import DynamicChunking

UNGATED = {"is_gated": False}
LOSSES = ["suta", "entropy", "masked_prediction", "entropy+masked_prediction"]


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_left_as_it_was(method, model, batch):
    before = copy.deepcopy(model.state_dict())
    adapted, lengths = build_adapter(model, method, steps=1)(*batch)
    plain, plain_lengths = model(*batch)
    assert adapted.shape == plain.shape
    assert torch.equal(lengths, plain_lengths)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "options",
    [
        {"parameters": ("fast_weights",)},
        {"parameters": ("input",)},
        {"parameters": ("norms", "front_end"), "optimizer": "adamw", "lr": 0.001},
    ],
    ids=["fast_weights", "input", "norms_and_front_end"],
)
def test_a_step_lowers_the_loss(loss, options, model, batch):
    adapter = build_adapter(model, loss=loss, steps=3, **{"lr": 0.02, **options})
    waveform, lengths = batch
    waveforms = [row[:n] for row, n in zip(waveform, lengths, strict=True)]
    for each in waveforms:
        values = adapter.adaptable.start(1)
        run = adapter._runner([each])
        with torch.no_grad():
            before = adapter.objective(run(values))
        adapted = adapter._adapt([each])
        with torch.no_grad():
            after = adapter.objective(run(adapted.values))
        assert after < before


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "masked_prediction"},
        {"chunk_seconds": 0.3},
        {"parameters": ("fast_weights",)},
        {"parameters": ("norms",), "optimizer": "sgd"},
        {"mode": "continual"},
    ],
    ids=str,
)
def test_alone_equals_in_a_batch_of_nan(options, model, batch):
    waveform, lengths = batch
    together, frames = build_adapter(model, **options)(waveform, lengths)
    adapter = build_adapter(model, **options)
    for row, length in enumerate(lengths):
        alone, alone_frames = adapter(
            waveform[row : row + 1, :length], lengths[row : row + 1]
        )
        assert alone_frames.item() == frames[row].item()
        # orthogonalizing a small gradient amplifies its rounding
        torch.testing.assert_close(
            together[row, : frames[row]], alone[0], atol=2e-3, rtol=1e-3
        )


def test_outputs_change(model, batch):
    adapted, frames = build_adapter(model, lr=0.3, **UNGATED)(*batch)
    plain, _ = model(*batch)
    for row, count in enumerate(frames):
        difference = (adapted - plain)[row, :count].abs().max()
        assert difference > 0.01


def test_works_where_gradients_are_switched_off(model, batch):
    adapter = build_adapter(model)
    expected, _ = adapter(*batch)
    with torch.inference_mode():
        waveform, lengths = (tensor.clone() for tensor in batch)
        output, _ = adapter(waveform, lengths)
    torch.testing.assert_close(output, expected)


def test_an_empty_utterance_stays_empty(model):
    log_probs, lengths = build_adapter(model)(
        torch.randn(2, 4000), torch.tensor([4000, 0])
    )
    assert lengths.tolist() == [7, 0]
    assert log_probs[0].isfinite().all()


def test_pieces_are_utterances_of_their_own(model, batch):
    waveform = batch[0][0]
    [whole] = build_adapter(model, chunk_seconds=0.48)._encode_all([waveform])
    # a piece is 12 frames at 25 Hz
    [first] = build_adapter(model)._encode_all([waveform[:7680]])
    assert len(whole.hidden) == 25
    torch.testing.assert_close(whole.hidden[:12], first.hidden, atol=2e-3, rtol=1e-3)


def test_faithful_suta_moves_the_front_end_four_times(model, batch):
    once, often = (
        build_adapter(model, method, steps=1, lr=1e-3)
        for method in ("suta", "suta-faithful")
    )
    waveform = batch[0][0]
    moved = [adapter._adapt([waveform]).values for adapter in (once, often)]
    name = "frontend.project.weight"
    own = model.get_parameter(name)
    once, often = ((values[name] - own).abs().mean().item() for values in moved)
    assert often / once == pytest.approx(4, rel=0.05)
    name = "encoder.norm.weight"
    torch.testing.assert_close(moved[1][name], moved[0][name])


@pytest.fixture
def alike(batch):
    """Return noises of about one length: they are run together."""
    waveform, _ = batch
    lengths = torch.tensor([16000, 14000, 13000])
    waveform[1:] = 0.5 * waveform[:1]
    for row, length in enumerate(lengths):
        waveform[row, length:] = torch.nan
    return waveform, lengths


class Judge:
    """A gate that leaves some rows of three alone, and refuses others."""

    # the shortest comes first
    order = (2, 1, 0)

    def __init__(self, needless=(), refused=()):
        self.needless, self.refused = needless, refused
        self.passes = []

    def is_needless(self, before):
        self.passes.append(len(before.confidence))
        return torch.tensor([row in self.needless for row in self.order])

    def is_enough(self, after):
        self.passes.append(len(after.confidence))
        return torch.zeros_like(after.confidence, dtype=torch.bool)

    def harms(self, before, after, loss_before, loss_after):
        is_lower = loss_after < loss_before
        assert is_lower.all()
        going = [row for row in self.order if row not in self.needless]
        harmed = torch.tensor([row in self.refused for row in going])
        return {"harm": harmed, "never": ~is_lower}


@pytest.mark.parametrize("refused", [(), (1,), (0, 2)], ids=str)
@pytest.mark.parametrize("needless", [(), (0,), (1, 2), (0, 1, 2)], ids=str)
def test_what_the_gate_keeps_is_as_without_adaptation(needless, refused, model, alike):
    adapter = build_adapter(model, lr=0.05)
    adapter.gate = Judge(needless, refused)
    gated, frames = adapter(*alike)
    free, _ = build_adapter(model, lr=0.05, **UNGATED)(*alike)
    plain, _ = model(*alike)
    kept = {*needless, *refused}
    for row, count in enumerate(frames):
        expected = plain if row in kept else free
        torch.testing.assert_close(
            gated[row, :count], expected[row, :count], atol=2e-3, rtol=1e-3
        )
    reasons = {"confident": len(needless)}
    if len(needless) < 3:
        reasons |= {"harm": len({*refused} - {*needless}), "never": 0}
    assert adapter.report.reasons == reasons
    assert f"of 3 utterances; the unadapted result kept of {len(kept)} (" in str(
        adapter.report
    )


@pytest.mark.parametrize(
    ("needless", "passes"),
    # the last pass sees those alone that continue; so do all, if few continue
    [((), [3, 3, 3]), ((0,), [3, 3, 2]), ((1, 2), [3, 1, 1]), ((0, 1, 2), [3])],
    ids=str,
)
def test_steps_are_taken_of_those_that_need_them(needless, passes, model, alike):
    adapter = build_adapter(model)
    adapter.gate = Judge(needless)
    adapter(*alike)
    assert adapter.gate.passes == passes


def test_steps_end_where_confidence_is_that_of_clean_speech(model, batch):
    waveform, lengths = batch[0][:1], batch[1][:1]

    def adapt(steps, **options):
        adapter = build_adapter(model, steps=steps, lr=0.1, **options)
        return adapter, adapter(waveform, lengths)

    def confidence(outputs):
        return Traits.of(outputs[0], outputs[1]).confidence.item()

    before = confidence(model(waveform, lengths))
    adapter, _ = adapt(1, **UNGATED)
    after = confidence_after(adapter, waveform[0])
    assert after > before
    usual = CleanStatistics((0.5, 10.0), ((before + after) / 2, 1e-3))
    assert (
        usual.standardize(Traits(torch.zeros(1), torch.tensor([after]))).confidence > 0
    )
    _, once = adapt(1, statistics=usual)
    _, often = adapt(5, statistics=usual)
    torch.testing.assert_close(often[0], once[0])
    _, free = adapt(5, **UNGATED)
    assert (free[0] - once[0]).abs().max() > 1e-3


def confidence_after(adapter, waveform):
    adapted = adapter._adapt([waveform])
    scores = adapter.model.score_frames(adapted.hidden)
    return Traits.of(scores, adapted.lengths).confidence.item()


def test_scores_are_no_more_certain_than_before_and_keep_the_best_tokens(model, batch):
    plain, frames = model(*batch)
    adapter = build_adapter(model, lr=0.3, **UNGATED)
    adapted, _ = adapter(*batch)
    sure, surest = sum_certainty(plain, frames), 0
    assert (sum_certainty(adapted, frames) <= sure * 1.001).all()
    for row, length in enumerate(batch[1]):
        hidden = adapter._adapt([batch[0][row, :length]]).hidden
        scores = model.score_frames(hidden)
        count = frames[row : row + 1]
        surest = max(surest, (sum_certainty(scores, count) / sure[row]).item())
        found = adapted[row, : frames[row]].argmax(dim=-1)
        assert torch.equal(found, scores[0].argmax(dim=-1))
    assert surest > 1.01


def test_continual_learns_from_what_came_before(model, batch):
    waveform, lengths = batch[0][:1], batch[1][:1]
    adapter = build_adapter(model, mode="continual", **UNGATED)
    first, _ = adapter(waveform, lengths)
    second, _ = adapter(waveform, lengths)
    episodic, _ = build_adapter(model, **UNGATED)(waveform, lengths)
    torch.testing.assert_close(first, episodic)
    assert (second - first).abs().max() > 1e-3
    adapter.start.reset()
    again, _ = adapter(waveform, lengths)
    torch.testing.assert_close(again, first)


@pytest.mark.parametrize(
    ("method", "options", "named"),
    [
        ("sota", {}, "sota.*lact, suta"),
        ("lact", {"loss": "hope"}, "hope.*entropy"),
        ("lact", {"parameters": ("bias",)}, "bias.*norms"),
        ("lact", {"optimizer": "adam"}, "adam.*adamw"),
        ("lact", {"mode": "often"}, "often.*continual"),
        ("lact", {"steps": 0}, "steps"),
        ("lact", {"parameters": ("norms",)}, "muon.*adamw"),
    ],
)
def test_what_is_wrong_is_named(method, options, named, model):
    with pytest.raises(InputError, match=named):
        build_adapter(model, method, **options)


def test_masked_prediction_must_have_been_trained(make_model):
    with pytest.raises(InputError, match="enable_ttt"):
        build_adapter(make_model(), loss="masked_prediction")


def test_the_input_begins_anew_with_every_utterance(model, batch):
    adapter = build_adapter(model, mode="continual", **UNGATED)
    adapter(*batch)
    assert "input" in adapter.adaptable.parameters
    assert adapter.start.point.keys() == adapter.adaptable.carried.keys()
    assert "input" not in adapter.start.point


def test_what_is_left_in_segments_is_not_adapted():
    mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    chunking = partial(DynamicChunking, router="uniform", upsample=False)
    encoder = Encoder(8, 2, mixer, ffn, dynamic_chunking=chunking)
    model = CTCModel(MelFrontend(8, channels=4), encoder, num_tokens=5)
    with pytest.raises(ValueError, match="segments that are not upsampled"):
        Adaptable(model, ["fast_weights"])
