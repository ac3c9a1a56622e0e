"""What dynamic chunking adds to a training: losses, and numbers to watch."""

from torch import Tensor, nn

from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.layers.score_routers import BlankRouter
from lact_modules.training.losses import ctc_losses


def find_chunking(model: nn.Module) -> DynamicChunking | None:
    """Find the dynamic chunking of a model.

    Arguments
    ---------
    model : nn.Module
        Any.

    Returns
    -------
    DynamicChunking | None
        None if it has none.

    Example
    -------
    >>> find_chunking(nn.Linear(2, 2))
    """
    for module in model.modules():
        if isinstance(module, DynamicChunking):
            return module
    return None


def chunking_losses(
    chunking: DynamicChunking, tokens: Tensor, num_tokens: Tensor
) -> Tensor:
    """Give what the last batch's chunks add to the loss of each utterance.

    Arguments
    ---------
    chunking : DynamicChunking
        Of the model, after a batch of training.
    tokens : Tensor
        (B, U) int64, what is said.
    num_tokens : Tensor
        (B,) valid tokens.

    Returns
    -------
    Tensor
        (B,), for a loss that is shared out among tokens.
    """
    losses = chunking.ratio_weight * chunking.loss() * num_tokens
    router = chunking.router
    if isinstance(router, BlankRouter) and chunking.last is not None:
        frames = (~chunking.last.is_padding).sum(dim=1)
        log_probs = router.log_probs(chunking.last.x)
        early, _ = ctc_losses(log_probs, frames, tokens, num_tokens)
        losses = losses + router.loss_weight * early
    return losses


def chunking_metrics(chunking: DynamicChunking) -> dict[str, float]:
    """Sum up the last batch's chunks.

    Arguments
    ---------
    chunking : DynamicChunking
        Of the model.

    Returns
    -------
    dict[str, float]
        ``chunks/kept``, the share of frames that began one; ``chunks/probability``,
        the mean of p; ``chunks/threshold``, above which scores are (of cosines, the
        negative); nothing before the first batch.
    """
    if chunking.last is None:
        return {}
    _, is_padding, routing = chunking.last
    count = (~is_padding).sum().clamp(min=1)
    threshold = getattr(chunking.router, "threshold", None)
    metrics = {
        "chunks/kept": (routing.is_boundary.sum() / count).item(),
        "chunks/probability": (routing.probability.detach().sum() / count).item(),
    }
    if threshold is not None:
        metrics["chunks/threshold"] = threshold.item()
    return metrics
