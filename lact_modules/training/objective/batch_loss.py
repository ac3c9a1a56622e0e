"""The loss of a batch, with what it is the mean of."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchLoss:
    """The loss of a batch, as `compute_objectives` returns it.

    A scalar can be added to it, and it can be multiplied by one, as if it were the
    mean alone: ``loss + 0.01 * penalty``.

    Arguments
    ---------
    mean : Tensor
        Scalar in nats, with a graph: what is minimized.
    utterances : Tensor
        (B,) in nats, detached; their sum is `mean` times `num_labels`.
    num_labels : Tensor
        Scalar: labels that `mean` is over, and its weight among the parts of a step.

    Example
    -------
    >>> losses, num_labels = torch.tensor([6.0, 4.0]), torch.tensor([3, 2])
    >>> loss = BatchLoss.average(losses, num_labels) + torch.tensor(0.5)
    >>> loss.mean, loss.utterances
    (tensor(2.5000), tensor([7.2500, 5.2500]))
    """

    mean: Tensor
    utterances: Tensor
    num_labels: Tensor

    @classmethod
    def average(cls, losses: Tensor, num_labels: Tensor) -> "BatchLoss":
        """Average over all labels of a batch.

        Arguments
        ---------
        losses : Tensor
            (B,) of utterances, in nats.
        num_labels : Tensor
            (B,); utterances without any count as much as one label each.

        Returns
        -------
        BatchLoss
            Of the batch.
        """
        count = num_labels.sum().clamp(min=len(losses))
        return cls(losses.sum() / count, losses.detach(), count)

    @classmethod
    def of(cls, loss: "BatchLoss | Tensor", num_utterances: int) -> "BatchLoss":
        """Take a plain mean, too: each utterance then has the loss of the batch.

        Arguments
        ---------
        loss : BatchLoss | Tensor
            Any, or a scalar.
        num_utterances : int
            Of the batch.

        Returns
        -------
        BatchLoss
            The same one, or one with a label for each utterance.
        """
        if isinstance(loss, BatchLoss):
            return loss
        count = torch.tensor(num_utterances, device=loss.device)
        return cls(loss, loss.detach().expand(num_utterances), count)

    def without_effect(self) -> "BatchLoss":
        """Return a loss of zero with the same graph, so that processes keep in step."""
        nothing = torch.zeros_like(self.utterances), torch.zeros_like(self.num_labels)
        return BatchLoss(self.mean * 0, *nothing)

    def __add__(self, term: Tensor | float) -> "BatchLoss":
        """Add a scalar to the mean; each utterance has an equal share of it."""
        mean = self.mean + term
        added = (mean - self.mean).detach() * self.num_labels / len(self.utterances)
        return BatchLoss(mean, self.utterances + added, self.num_labels)

    __radd__ = __add__

    def __mul__(self, factor: Tensor | float) -> "BatchLoss":
        """Scale the loss of each utterance."""
        scaled = (self.utterances * factor).detach()
        return BatchLoss(self.mean * factor, scaled, self.num_labels)

    __rmul__ = __mul__
