"""Self-training on a recording: from its pieces, for its pieces, and for it alone."""

import pytest
import torch

from lact_modules.adaptation.gate import CleanStatistics, Gate
from lact_modules.adaptation.methods import build_adapter
from lact_modules.adaptation.objective.objectives import find_objective
from lact_modules.adaptation.objective.pseudo_labels import label, pseudo_label_loss
from lact_modules.adaptation.outputs import join
from lact_modules.adaptation.step.learner import Learner
from lact_modules.adaptation.step.optimizers import make_optimizer
from lact_modules.adaptation.step.parameters import Adaptable
from lact_modules.adaptation.step.spec_augment import mask_bands
from lact_modules.adaptation.stream import StreamLearner
from lact_modules.errors import InputError

OPTIONS = {"chunk_seconds": 0.4, "lr": 0.003, "is_gated": False}


@pytest.fixture(params=["self-train", "noisy-student"])
def adapter(request, model):
    return build_adapter(model, request.param, steps=2, **OPTIONS)


def alone(batch, row):
    waveform, lengths = batch
    return waveform[row : row + 1, : lengths[row]], lengths[row : row + 1]


def test_a_recording_is_transcribed_as_if_alone(adapter, model, batch):
    together, frames = adapter(*batch)
    plain, _ = model(*batch)
    for row in range(3):
        expected, count = adapter(*alone(batch, row))
        assert frames[row] == count
        found = together[row, :count]
        torch.testing.assert_close(found, expected[0])
        assert (found - plain[row, :count]).abs().max() > 1e-3


def test_each_piece_takes_every_step(adapter, batch, monkeypatch):
    taken = []
    learn = Learner.learn

    def spy(self, piece, seed):
        taken.append((len(piece), seed))
        return learn(self, piece, seed)

    monkeypatch.setattr(Learner, "learn", spy)
    adapter(*alone(batch, 0))
    # a second in pieces of 0.4; no two steps draw the same masks
    assert [size for size, _ in taken] == [6400, 6400, 3200] * 2
    assert len({seed for _, seed in taken}) == 6


@pytest.mark.parametrize("loss", ["pseudo_labels", "suta", "pseudo_labels+entropy"])
@pytest.mark.parametrize("group", ["all", "norms", "front_end", "fast_weights"])
def test_steps_lower_the_loss_of_the_recording(loss, group, model, batch):
    learner = Learner(
        Adaptable(model, [group]), find_objective(loss), make_optimizer("adamw", 3e-3)
    )
    piece = batch[0][0]
    losses = [learner.learn(piece, seed=0) for _ in range(6)]
    assert learner.measure(piece, seed=0) < losses[0]


def test_an_empty_recording_stays_empty(adapter):
    log_probs, lengths = adapter(torch.randn(2, 4000), torch.tensor([4000, 0]))
    assert lengths.tolist() == [7, 0]
    assert log_probs[0].isfinite().all()


def test_the_gate_leaves_what_is_sure_and_refuses_harm(model, batch):
    def run(confidence, **options):
        usual = CleanStatistics((0.5, 9.0), (confidence, 1e-3))
        gated = build_adapter(
            model, "self-train", usual, **{**OPTIONS, "is_gated": True, **options}
        )
        return gated.report, gated(*alone(batch, 0))[0]

    plain, _ = model(*alone(batch, 0))
    left, found = run(confidence=0.0)
    assert left.reasons == {"confident": 1}
    torch.testing.assert_close(found, plain)
    # overflows on any machine
    harmed, found = run(confidence=1.0, lr=1e30)
    assert harmed.kept_unadapted == 1 and harmed.reasons["confident"] == 0
    torch.testing.assert_close(found, plain)


def test_the_input_is_no_parameter_that_pieces_share(model):
    with pytest.raises(InputError, match="self-train: input"):
        build_adapter(model, "self-train", parameters=("input", "norms"))


def test_a_stream_depends_on_its_past_alone(adapter, model, batch):
    samples = batch[0][0]

    def run(sizes):
        learner, blocks, start = StreamLearner(adapter), [], 0
        for size in sizes:
            for block in learner.blocks(samples[start : start + size], 3000):
                with learner.installed():
                    own = {name: p.clone() for name, p in model.named_parameters()}
                blocks += [(len(block), own["output.weight"])]
            start += size
        return learner, blocks

    learner, blocks = run([16000])
    assert [size for size, _ in blocks] == [3000, 3000, 400] * 2 + [3000, 200]
    weights = [weight for _, weight in blocks]
    # nothing is learned within a piece
    for before, after in [(0, 1), (1, 2), (3, 5), (6, 7)]:
        assert torch.equal(weights[before], weights[after])
    assert torch.equal(weights[0], model.output.weight)
    for before, after in [(2, 3), (5, 6)]:
        assert not torch.equal(weights[before], weights[after])
    assert len(learner.waiting) == 3200
    # nor does it matter how the samples come
    again = run([1, 6398, 1, 5000, 4600])[1]
    assert torch.equal(again[-1][1], weights[-1])


def test_a_stream_takes_harmful_steps_back(model, batch):
    adapter = build_adapter(model, "self-train", steps=1, **{**OPTIONS, "lr": 1e30})
    adapter.gate = Gate()
    learner = StreamLearner(adapter)
    for _ in learner.blocks(batch[0][0], 16000):
        pass
    assert adapter.report.kept_unadapted == 2
    for name, value in learner.learner.values.items():
        assert torch.equal(value, model.get_parameter(name)), name


def test_unsure_labels_are_left_out_and_silence_is_not_learned():
    log_probs = torch.tensor(
        [
            [[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.9, 0.1, 0.0], [0.1, 0.8, 0.1]],
            [[0.3, 0.4, 0.3], [0.3, 0.3, 0.4], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]],
            [[0.8, 0.1, 0.1]] * 4,
        ]
    ).log()
    lengths = torch.tensor([4, 3, 4])
    found = label(log_probs, lengths, min_confidence=0.5)
    assert found.lengths.tolist() == [2, 0, 0]
    assert found.tokens[0].tolist() == [1, 1]
    scores = torch.randn(3, 4, 3).log_softmax(dim=-1).requires_grad_()
    losses = pseudo_label_loss(scores, lengths, found)
    assert losses[0] > 0 and losses[1:].tolist() == [0, 0]
    losses.sum().backward()
    assert not scores.grad[1:].any()
    assert label(log_probs, lengths, min_confidence=0.3).lengths.tolist() == [2, 2, 0]


@pytest.mark.parametrize("loss", ["pseudo_labels", "suta+pseudo_labels"])
def test_what_has_no_second_derivative_is_named(loss):
    with pytest.raises(ValueError, match=r"pseudo_labels.*second derivative"):
        find_objective(loss, second_order=True)


def test_masks_are_of_bands_and_an_utterances_own():
    features = torch.ones(2, 7, 80)

    def mask(seeds):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return mask_bands(features[: len(seeds)], generators)

    masked = mask([3, 4])
    assert torch.equal(masked, masked[:, :1].expand_as(masked))
    assert not torch.equal(masked[0], masked[1])
    assert torch.equal(mask([4])[0], masked[1])
    shares = torch.stack([1 - mask([seed]).mean() for seed in range(200)])
    assert 0.5 < shares.mean() < 0.8
    assert shares.min() > 0 or shares.max() < 1


def test_outputs_are_joined_whatever_their_kind():
    short, long = (
        (torch.full((1, n, 2), float(n)), torch.tensor([n]), None) for n in (1, 3)
    )
    scores, lengths, nothing = join([short, long])
    assert scores[:, :, 0].tolist() == [[1, 0, 0], [3, 3, 3]]
    assert lengths.tolist() == [1, 3] and nothing is None
