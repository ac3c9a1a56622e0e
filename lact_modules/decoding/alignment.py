"""Forced alignment: the time of each token of a known text, by CTC."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchaudio.functional import forced_align

# Infinite log-probabilities would leave no path.
_LEAST = -1e4


def align_tokens(
    log_probs: Tensor, tokens: Sequence[int], blank_id: int = 0
) -> list[int]:
    """Find the frame at which each token begins on the text's best CTC path.

    `log_probs` (T, V) is of any floating dtype and device, without NaN; of the V only
    the columns of the text go to the CPU. A text too long for so few frames has no
    path; its tokens are spread evenly.
    """
    if not tokens:
        return []
    num_frames = len(log_probs)
    target = torch.tensor(tokens)
    # the same token twice in a row needs a blank between
    if num_frames < len(target) + int((target[1:] == target[:-1]).sum()):
        return [i * num_frames // len(target) for i in range(len(target))]
    columns, places = torch.tensor([blank_id, *tokens]).unique(return_inverse=True)
    scores = log_probs[:, columns.to(log_probs.device)].float().cpu()
    blank, target = int(places[0]), places[1:]
    path, _ = forced_align(scores.clamp(min=_LEAST)[None], target[None], blank=blank)
    ids, repeats = path[0].unique_consecutive(return_counts=True)
    starts = repeats.cumsum(0) - repeats
    return starts[ids != blank].tolist()
