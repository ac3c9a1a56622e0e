"""The null mixer: a mean over time, the same for all frames."""

import torch

from lact_modules.layers import SummaryMixer
from lact_modules.layers.chunking import Chunking

NUM_FRAMES = 9


def make_batch():
    torch.manual_seed(0)
    mixer = SummaryMixer(8).double()
    x = torch.randn(2, NUM_FRAMES, 8, dtype=torch.float64)
    return mixer, x, torch.zeros(2, NUM_FRAMES, dtype=torch.bool)


def test_the_order_of_frames_does_not_matter():
    mixer, x, is_padding = make_batch()
    order = torch.randperm(NUM_FRAMES)
    expected = mixer(x, is_padding)[:, order]
    torch.testing.assert_close(mixer(x[:, order], is_padding), expected)


def test_each_frame_counts_once():
    mixer, x, is_padding = make_batch()
    is_twice = torch.cat([x, x], dim=1)
    output = mixer(is_twice, torch.cat([is_padding] * 2, dim=1))
    torch.testing.assert_close(output[:, :NUM_FRAMES], mixer(x, is_padding))


def test_a_chunk_is_mixed_with_all_up_to_its_end():
    mixer, x, is_padding = make_batch()
    output, _ = mixer.chunked(x, is_padding, Chunking(size=4, left=0))
    for start, stop in ((0, 4), (4, 8), (8, 9)):
        expected = mixer(x[:, :stop], is_padding[:, :stop])[:, start:]
        torch.testing.assert_close(output[:, start:stop], expected)


def test_a_long_sum_in_half_precision_is_still_a_mean():
    mixer, x, _ = make_batch()
    x = x[:1, :1].float().expand(-1, 5000, -1)
    with torch.autocast("cpu", torch.bfloat16):
        output = mixer.float()(x, torch.zeros(1, 5000, dtype=torch.bool))
        expected = mixer(x[:, :1], torch.zeros(1, 1, dtype=torch.bool))
    torch.testing.assert_close(output[:, :1], expected)
