from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.augment.augmenter import Augmenter
from speechbrain.augment.freq_domain import SpectrogramDrop, Warping

from lact_modules.errors import InputError
from lact_modules.training.time_masks import (
    TimeMasks,
    check_time_masks,
    scale_time_masks,
)

FRAGMENTS = Path(__file__).parents[3] / "hparams" / "augmentation"


def masked(masks, num_frames, batch_frames, count=2000):
    """Mask utterances alike; give which of their frames are, and what is beyond."""
    features = torch.ones(count, batch_frames, 2)
    lengths = torch.full((count,), num_frames / batch_frames)
    is_masked = masks(features, lengths)[0][..., 0] == 0
    return is_masked[:, :num_frames], is_masked[:, num_frames:]


def longest_run(row):
    runs = "".join("x" if each else " " for each in row.tolist()).split()
    return max(map(len, runs), default=0)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_an_utterance_is_masked_alike_whatever_it_is_batched_with():
    masks = TimeMasks(count_share=0.04, width_share=0.1)
    alone, _ = masked(masks, 100, 100)
    padded, beyond = masked(masks, 100, 700)
    assert not beyond.any()
    share = alone.float().mean().item()
    assert padded.float().mean().item() == pytest.approx(share, rel=0.03)
    # no frame is spared, and ends are reached
    assert padded.any(dim=0).all()


@pytest.mark.parametrize(
    ("num_frames", "count", "width"),
    [(49, 0, 1), (100, 2, 3), (300, 6, 9), (900, 10, 27)],
)
def test_longer_utterances_have_more_and_longer_masks(num_frames, count, width):
    rows, _ = masked(TimeMasks(), num_frames, 1000, count=300)
    assert rows.sum(dim=1).max() <= count * width
    if count:
        # masks may lie side by side
        assert width <= max(map(longest_run, rows)) <= count * width
        # each hides half its longest width, less where they overlap
        mean = rows.float().sum(dim=1).mean().item()
        assert mean == pytest.approx(count * width / 2, rel=0.15)


def test_a_scale_makes_more_of_them():
    plain, _ = masked(TimeMasks(), 100, 100)
    scaled, _ = masked(TimeMasks(scale=2.5), 100, 100)
    ratio = scaled.float().mean() / plain.float().mean()
    assert ratio.item() == pytest.approx(2.5, rel=0.1)


def test_stands_among_augmentations_of_speechbrain():
    path = FRAGMENTS / "specaugment_adaptive.yaml"
    augment = load_hyperpyyaml(f"augment: !include:{path}\n")["augment"]
    features = torch.ones(2, 400, 80)
    output, lengths = augment(features, torch.tensor([1.0, 0.5]))
    assert torch.equal(lengths, torch.tensor([1.0, 0.5]))
    is_frame_masked = (output == 0).all(dim=2)
    assert is_frame_masked.any(dim=1).all()
    assert not is_frame_masked[1, 200:].any()
    assert (output == 0).all(dim=1).any()


def test_empty_utterances_are_left():
    features = torch.ones(2, 0, 3)
    output, _ = TimeMasks()(features, torch.zeros(2))
    assert output.shape == features.shape


@pytest.mark.parametrize("name", ["count_share", "max_count", "width_share", "scale"])
def test_arguments_below_0_are_refused(name):
    with pytest.raises(ValueError, match=name):
        TimeMasks(**{name: -1})


def test_masks_over_time_alone_are_scaled():
    parts = [
        Warping(),
        SpectrogramDrop(drop_count_low=4, drop_count_high=4, dim=1),
        TimeMasks(scale=2.0),
        SpectrogramDrop(drop_count_low=4, drop_count_high=4, dim=2),
    ]
    augment = Augmenter(min_augmentations=4, max_augmentations=4, augmentations=parts)
    scaled = scale_time_masks(augment, 2.5)
    _, over_time, by_length, over_bands = scaled.augmentations.values()
    assert (over_time.drop_count_low, over_time.drop_count_high) == (10, 10)
    assert by_length.scale == 5.0
    assert over_bands.drop_count_high == 4
    assert parts[1].drop_count_high == 4
    assert scale_time_masks(augment, 1.0) is augment


def test_a_scale_of_nothing_is_refused():
    bands = SpectrogramDrop(dim=2)
    augment = Augmenter(min_augmentations=1, max_augmentations=1, augmentations=[bands])
    check_time_masks(augment, None)
    with pytest.raises(InputError, match=r"time_mask_scale 2\.5: fea_augment has no"):
        check_time_masks(augment, 2.5)
