"""Which frames of a batch are padding, and how many are not."""

import torch
from torch import Tensor


def padding_mask(lengths: Tensor, num_frames: int) -> Tensor:
    """Mark the frames beyond each length.

    Arguments
    ---------
    lengths : Tensor
        (B,) valid frames, int64.
    num_frames : int
        Frames in the batch.

    Returns
    -------
    Tensor
        (B, num_frames) bool, True at padding.

    Raises
    ------
    TypeError
        As `check_lengths`.

    Example
    -------
    >>> padding_mask(torch.tensor([2, 3]), 3)
    tensor([[False, False,  True],
            [False, False, False]])
    """
    check_lengths(lengths)
    return torch.arange(num_frames, device=lengths.device) >= lengths[:, None]


def is_known_whole(is_padding: Tensor) -> bool:
    """Return whether nothing is padded, where asking is cheap.

    False off the CPU, which would have to be waited for, and in a graph that is
    compiled or exported, which has to serve other batches too.
    """
    if is_padding.device.type != "cpu":
        return False
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    return not is_padding.any()


def zero_padding(x: Tensor, is_padding: Tensor) -> Tensor:
    """Put zeros where frames are padding, whatever they hold.

    Arguments
    ---------
    x : Tensor
        (B, T, D), or (B, H, T, D) with heads before frames.
    is_padding : Tensor
        (B, T) bool, True at padding.

    Returns
    -------
    Tensor
        Like `x`; `x` itself where it is known that nothing is padded.

    Example
    -------
    >>> x = torch.full((1, 2, 2), torch.nan)
    >>> zero_padding(x, torch.tensor([[False, True]]))[0]
    tensor([[nan, nan],
            [0., 0.]])
    """
    if is_known_whole(is_padding):
        return x
    # (B, T) -> (B, T, 1) or (B, 1, T, 1)
    where = is_padding[..., None] if x.dim() == 3 else is_padding[:, None, :, None]
    return x.masked_fill(where, 0.0)


def absolute_lengths(relative: Tensor, size: int) -> Tensor:
    """Count what SpeechBrain's relative lengths are shares of.

    Arguments
    ---------
    relative : Tensor
        (B,) from 0 to 1; NaN, of a batch that holds nothing, counts as 0.
    size : int
        Samples, frames or tokens in the batch, padding included.

    Returns
    -------
    Tensor
        (B,) int64.

    Example
    -------
    >>> absolute_lengths(torch.tensor([1.0, 0.67, torch.nan]), 3)
    tensor([3, 2, 0])
    """
    return (relative.nan_to_num() * size).round().long()


def check_lengths(lengths: Tensor) -> None:
    """Raise TypeError for relative lengths: they would be taken for one frame or none.

    Such as the shares of the longest that SpeechBrain's data loaders give.
    """
    dtype = lengths.dtype
    if dtype == torch.bool or dtype.is_floating_point or dtype.is_complex:
        raise TypeError(
            f"lengths: {dtype}; give counts, int64. Of SpeechBrain's relative lengths "
            "these are (lengths * x.shape[1]).round().long()"
        )
