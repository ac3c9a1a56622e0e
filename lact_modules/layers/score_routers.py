"""Routers that begin chunks by content, where a score is high."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from lact_modules.layers.router import RouterState
from lact_modules.ops.chunking import Routing, route


class MovingAverage(nn.Module):
    """Follow what a value is in training; of the first batches, their plain mean.

    Arguments
    ---------
    shape : tuple[int, ...]
        Of the value.
    momentum : float
        Share of a batch.

    Example
    -------
    >>> average = MovingAverage(())
    >>> for value in (1.0, 3.0):
    ...     average.follow(torch.tensor(value))
    >>> average.value
    tensor(2.)
    """

    value: Tensor
    num_batches: Tensor

    def __init__(self, shape: tuple[int, ...], momentum: float = 0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(shape))
        self.register_buffer("num_batches", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, value: Tensor) -> None:
        """Go on with what the value is in a batch."""
        self.num_batches += 1
        share = torch.clamp(1 / self.num_batches, min=self.momentum)
        self.value.lerp_(value, share)

    def reset(self) -> None:
        """Forget what the value was."""
        self.num_batches.zero_()


class ScoreRouter(nn.Module):
    """Begin a chunk where a score is above a threshold, whatever the score.

    The threshold keeps the share of the frames that is asked for: in training it is the
    quantile of the batch, and what is averaged of it serves later. So utterances differ
    in how much is kept of them, and together have that share. (With random weights
    neighbours are so alike, in speech, that the router of arXiv 2507.07955 would find
    no boundary.)

    Arguments
    ---------
    sharpness : float | None
        How fast the probability rises with the score, four times its slope, in standard
        deviations of the score, before it is learned; None: at once from 0 to 1, and
        nothing is learned.
    """

    merges = False

    def __init__(self, sharpness: float | None = None):
        super().__init__()
        self.log_sharpness: nn.Parameter | None = None
        if sharpness is not None:
            self.log_sharpness = nn.Parameter(torch.tensor(sharpness).log())
        # of the scores: the threshold, and the standard deviation
        self.average = MovingAverage((2,))
        self.is_calibrating = False

    @property
    def threshold(self) -> Tensor:
        """Above which a score begins a chunk, outside of training."""
        return self.average.value[0]

    def calibrate(self, is_on: bool) -> None:
        """See `Router`."""
        self.is_calibrating = is_on
        if is_on:
            self.average.reset()

    def score(self, x: Tensor, before: Tensor, is_padding: Tensor) -> Tensor:
        """Rate each frame, given the one before it, both (B, T, D): (B, T)."""
        raise NotImplementedError

    def forward(
        self,
        x: Tensor,
        is_padding: Tensor,
        kept: float,
        state: RouterState | None = None,
    ) -> Routing:
        """See `Router`."""
        last = state.last if state else x[:, :1]
        before = torch.cat([last, x[:, :-1]], dim=1)
        # bf16 would move frames across the threshold
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(x.dtype, torch.float32)
            score = self.score(x.to(dtype), before.to(dtype), is_padding).float()
        if self.training or self.is_calibrating:
            found = self._find(score.detach(), is_padding, kept, state is None)
            self.average.follow(found)
        else:
            found = self.average.value
        threshold, deviation = found
        above = (score - threshold) / deviation.clamp(min=1e-6)
        if self.log_sharpness is None:
            probability = (above > 0).float()
        else:
            probability = torch.sigmoid(self.log_sharpness.exp() * above)
        return route(probability, is_padding, state is None)

    @torch.no_grad()
    def _find(
        self, score: Tensor, is_padding: Tensor, kept: float, is_start: bool
    ) -> Tensor:
        """Find threshold and standard deviation of a batch's scores (B, T)."""
        is_scored = ~is_padding
        wanted = round(kept * int(is_scored.sum()))
        if is_start:
            # first frames begin chunks in any case
            wanted -= int(is_scored[:, 0].sum())
            is_scored[:, 0] = False
        scores = score[is_scored]
        if not len(scores):
            return self.average.value
        rank = len(scores) - max(0, min(wanted, len(scores)))
        # midway between what is passed over and what is kept, so that no score is on it
        ranked = scores.sort().values
        ranked = torch.cat([ranked[:1] - 2, ranked, ranked[-1:]])
        threshold = (ranked[rank] + ranked[rank + 1]) / 2
        return torch.stack([threshold, scores.std(correction=0)])


class NeighbourRouter(ScoreRouter):
    """Begin a chunk where a frame is unlike the one before.

    Frames have so much in common that the cosine of any two is near 1; of what is left
    without the mean that they have had in training it is not.

    Arguments
    ---------
    d_model : int
        Model dimension.
    sharpness : float | None
        See `ScoreRouter`.
    """

    def __init__(self, d_model: int, sharpness: float | None = None):
        super().__init__(sharpness)
        self.mean = MovingAverage((d_model,))

    def score(self, x: Tensor, before: Tensor, is_padding: Tensor) -> Tensor:
        """See `ScoreRouter`: how unlike, from -1 to 1."""
        if self.training and not is_padding.all():
            self.mean.follow(x[~is_padding].detach().float().mean(dim=0))
        mean = self.mean.value.to(x.dtype)
        return -cosine_similarity(*self.compared(before - mean, x - mean), dim=-1)

    def compared(self, before: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give what of two neighbours, both (B, T, D), is compared."""
        raise NotImplementedError


class CosineRouter(NeighbourRouter):
    """Begin a chunk where a frame is unlike the one before, in learned directions.

    H-Net's router (arXiv 2507.07955, sec. 2.2), with what speech needs: the frames'
    mean is taken away, and threshold and sharpness follow the data. To begin with, the
    directions are those of the frames.

    Arguments
    ---------
    d_model : int
        Model dimension.
    sharpness : float
        To begin with, see `ScoreRouter`.

    Example
    -------
    >>> router, is_padding = CosineRouter(8), torch.zeros(2, 20).bool()
    >>> routing = router(torch.randn(2, 20, 8), is_padding, kept=0.5)
    >>> routing.num_chunks.sum()
    tensor(20)
    """

    def __init__(self, d_model: int, sharpness: float = 4.0):
        super().__init__(d_model, sharpness)
        self.project_before = nn.Linear(d_model, d_model, bias=False)
        self.project = nn.Linear(d_model, d_model, bias=False)
        for layer in (self.project_before, self.project):
            nn.init.eye_(layer.weight)

    def compared(self, before: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `NeighbourRouter`."""
        return self.project_before(before), self.project(x)


class SimilarityRouter(NeighbourRouter):
    """Begin a chunk where a frame is unlike the one before; nothing is learned.

    For chunks that are averaged, neighbours that are alike are merged (A-ToMe, arXiv
    2306.16009).

    Arguments
    ---------
    d_model : int
        Model dimension.

    Example
    -------
    >>> router, is_padding = SimilarityRouter(8), torch.zeros(2, 20).bool()
    >>> router(torch.randn(2, 20, 8), is_padding, kept=0.25).num_chunks.sum()
    tensor(10)
    """

    merges = True

    def compared(self, before: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `NeighbourRouter`; no gradient flows through the choice."""
        return before.detach(), x.detach()


class BlankRouter(ScoreRouter):
    """Pass over the frames that an output layer for CTC, halfway, is sure are blank.

    After blank skipping (arXiv 2305.11558); the output layer is trained with a CTC loss
    of its own (arXiv 2102.03216), for which `log_probs` is.

    Arguments
    ---------
    d_model : int
        Model dimension.
    num_tokens : int
        Output units, the blank, token 0, included; a model whose encoder this is in
        sets them to its own.
    loss_weight : float
        Of that loss, beside the model's own.

    Example
    -------
    >>> router, is_padding = BlankRouter(8, num_tokens=5), torch.zeros(2, 20).bool()
    >>> router(torch.randn(2, 20, 8), is_padding, kept=0.5).num_chunks.sum()
    tensor(20)
    """

    def __init__(self, d_model: int, num_tokens: int = 2, loss_weight: float = 0.3):
        super().__init__()
        self.d_model, self.loss_weight = d_model, loss_weight
        self.set_num_tokens(num_tokens)

    def set_num_tokens(self, num_tokens: int) -> None:
        """Make an output layer for so many tokens, with fresh weights."""
        self.output = nn.Linear(self.d_model, num_tokens)

    def score(self, x: Tensor, before: Tensor, is_padding: Tensor) -> Tensor:
        """See `ScoreRouter`: the log-odds that a frame is not blank."""
        log_blank = self.log_probs(x)[..., 0].detach()
        return torch.log(-torch.expm1(log_blank.clamp(max=-1e-7))) - log_blank

    def log_probs(self, x: Tensor) -> Tensor:
        """Map frames (B, T, D) to log-probabilities (B, T, num_tokens) float32."""
        return self.output(x).float().log_softmax(dim=-1)
