"""Change the sample rate of audio in blocks, of any length and any rate."""

from collections.abc import Iterable, Iterator

import soxr
import torch
from torch import Tensor


def resample_blocks(
    blocks: Iterable[Tensor], rate: int, new_rate: int
) -> Iterator[Tensor]:
    """Resample blocks (N,) to what the joined ones would be resampled to.

    By soxr, whose time and memory do not depend on how the rates divide. Samples come
    as soon as those that they see have.
    """
    if rate == new_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, new_rate, num_channels=1, dtype="float32")
    for block in blocks:
        resampled = stream.resample_chunk(block.numpy())
        if len(resampled):
            yield torch.from_numpy(resampled)
    rest = stream.resample_chunk(torch.zeros(0).numpy(), last=True)
    if len(rest):
        yield torch.from_numpy(rest)


def resampled_length(num_samples: int, rate: int, new_rate: int) -> int:
    """Count the samples that `resample_blocks` gives; half a sample counts as one."""
    return (2 * num_samples * new_rate + rate) // (2 * rate)
