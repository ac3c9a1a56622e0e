"""Losses of token sequences, in nats."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad


def with_start(tokens: Tensor, start_id: int) -> Tensor:
    """Put the start symbol before each sequence: what a text decoder reads.

    Arguments
    ---------
    tokens : Tensor
        (B, U) int64.
    start_id : int
        Token that begins a sequence.

    Returns
    -------
    Tensor
        (B, U + 1)

    Example
    -------
    >>> with_start(torch.tensor([[5, 6]]), start_id=1)
    tensor([[1, 5, 6]])
    """
    return pad(tokens, (1, 0), value=start_id)


def token_losses(
    log_probs: Tensor,
    tokens: Tensor,
    num_tokens: Tensor,
    end_id: int,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of each utterance's tokens and of the end that follows them.

    Arguments
    ---------
    log_probs : Tensor
        (B, U + 1, V) float32, of what follows each of `with_start`'s tokens.
    tokens : Tensor
        (B, U) int64.
    num_tokens : Tensor
        (B,) valid tokens.
    end_id : int
        Token that ends a sequence.
    label_smoothing : float
        Share of the target spread over all tokens (arXiv 1512.00567, sec. 7).

    Returns
    -------
    Tensor
        (B,) sums over the valid tokens and the end.

    Example
    -------
    >>> log_probs = torch.zeros(1, 3, 4).log_softmax(dim=-1)
    >>> losses = token_losses(log_probs, torch.tensor([[3, 0]]), torch.tensor([1]), 2)
    >>> torch.allclose(losses.exp(), torch.tensor([16.0]))
    True
    """
    ends = num_tokens[:, None]
    targets = pad(tokens, (0, 1)).scatter(1, ends, end_id)
    positions = torch.arange(targets.shape[1], device=targets.device)
    losses = cross_entropy(
        # (B, U + 1, V) -> (B, V, U + 1)
        log_probs.mT,
        targets.masked_fill(positions > ends, -100),
        reduction="none",
        label_smoothing=label_smoothing,
    )
    return losses.sum(dim=1)
