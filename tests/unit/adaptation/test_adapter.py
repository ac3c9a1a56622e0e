"""Test-time training: what it lowers, what it leaves alone, and whom it listens to."""

import copy

import pytest
import torch

from lact_modules.adaptation.methods import METHODS, build_adapter
from lact_modules.errors import InputError

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


def test_what_is_heard_changes(model, batch):
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
    waveform, lengths = batch[0][:1], batch[1][:1]
    whole, frames = build_adapter(model, chunk_seconds=0.48)(waveform, lengths)
    # a piece is 12 frames at 25 Hz
    first, _ = build_adapter(model)(waveform[:, :7680], torch.tensor([7680]))
    assert frames.item() == 25
    torch.testing.assert_close(whole[:, :12], first, atol=2e-3, rtol=1e-3)


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


def test_what_the_gate_refuses_is_as_without_adaptation(model, batch):
    class RefuseSecond:
        def reasons(self, before, after, loss_before, loss_after):
            assert (loss_after < loss_before).all()
            second = torch.tensor([False, True, False])
            return {"second": second, "never": torch.zeros(3, dtype=torch.bool)}

    adapter = build_adapter(model)
    adapter.gate = RefuseSecond()
    gated, _ = adapter(*batch)
    free, _ = build_adapter(model, **UNGATED)(*batch)
    plain, frames = model(*batch)
    for row, expected in enumerate([free, plain, free]):
        count = frames[row]
        torch.testing.assert_close(gated[row, :count], expected[row, :count])
    assert adapter.report.reasons == {"second": 1, "never": 0}
    assert "of 3 utterances" in str(adapter.report)
    assert "kept of 1 (second 1, never 0)" in str(adapter.report)


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
