"""Dynamic chunking (H-Net): layers run on segments of frames of varying length."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lact_modules.layers.dynamic_chunking.router import Router, RouterState
from lact_modules.layers.dynamic_chunking.routers import make_router
from lact_modules.layers.dynamic_chunking.segments import Segments, shares
from lact_modules.ops.routing import Routing, confidence
from lact_modules.ops.segments import (
    boundary_frames,
    segment_means,
    smooth,
    spread,
    take_frames,
)
from lact_modules.renamed import renamed

Pool = Literal["first", "mean"]
Residual = Literal["frame", "projection"]


@renamed
class DynamicChunking(nn.Module):
    """Turn frames into fewer segments, and segments into as many frames again (H-Net).

    `expand` adds to each frame what was added to its segment. So differences between
    the frames of a segment are kept, and with a segment for each frame, the layer is as
    without chunking. What was added is smoothed over segments with unsure boundaries
    (arXiv 2507.07955, sec. 2.2); all choices of routers are sure, and smoothing makes
    their gradient.

    Arguments
    ---------
    d_model : int
        Model dimension.
    router : Router | str
        Decides where segments begin; a name is one of `make_router`.
    keep_ratio : float
        Share of the frames that are to begin segments.
    hold_steps : int
        Batches of training, to begin with, in which each frame is a segment.
    warmup_steps : int
        Batches after them in which the share comes down from 1, evenly.
    pool : Pool | None
        Value of a segment: its ``"first"`` frame or its frames' ``"mean"``; None:
        the router's default.
    ratio_weight : float
        Of the loss that asks for the share in each utterance, in training.
    residual : Residual
        How frames come by their own again: ``"frame"``, see above; ``"projection"``,
        H-Net's: they are given all that was made of their segment, and a projection of
        their own, zero at first.
    upsample : bool
        Whether an encoder is to `expand` what it makes of segments to frames again, or
        to leave it in segments.

    Raises
    ------
    ValueError
        If `keep_ratio` is not between 0 and 1, or a choice is unknown.

    Example
    -------
    >>> chunking = DynamicChunking(8, "cosine")
    >>> x, is_padding = torch.randn(2, 20, 8), torch.zeros(2, 20).bool()
    >>> routing, _ = chunking.route(x, is_padding)
    >>> segments = chunking.compress(x, is_padding, routing)
    >>> routing.num_segments.sum(), chunking.expand(segments.x, segments, x).shape
    (tensor(20), torch.Size([2, 20, 8]))
    """

    num_steps: Tensor

    def __init__(
        self,
        d_model: int,
        router: Router | str,
        keep_ratio: float = 0.5,
        hold_steps: int = 0,
        warmup_steps: int = 0,
        pool: Pool | None = None,
        ratio_weight: float = 0.03,
        residual: Residual = "frame",
        upsample: bool = True,
    ):
        super().__init__()
        if not 0 < keep_ratio < 1:
            raise ValueError(f"keep_ratio={keep_ratio}: a share between 0 and 1")
        if pool not in (None, *get_args(Pool)):
            raise ValueError(f"pool={pool!r}: choose one of {get_args(Pool)}")
        if residual not in get_args(Residual):
            raise ValueError(
                f"residual={residual!r}: choose one of {get_args(Residual)}"
            )
        if isinstance(router, str):
            router = make_router(router, d_model)
        self.router = router
        self.keep_ratio = keep_ratio
        self.hold_steps, self.warmup_steps = hold_steps, warmup_steps
        self.pool: Pool = pool or ("mean" if router.merges else "first")
        self.ratio_weight, self.upsample = ratio_weight, upsample
        self.project_frame: nn.Linear | None = None
        if residual == "projection":
            self.project_frame = nn.Linear(d_model, d_model)
            nn.init.zeros_(self.project_frame.weight)
            nn.init.zeros_(self.project_frame.bias)
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))

    @property
    def current_keep_ratio(self) -> Tensor:
        """Share of the frames that are to begin segments now, () float64."""
        steps = (self.num_steps - self.hold_steps).double()
        if self.warmup_steps:
            progress = (steps / self.warmup_steps).clamp(min=0, max=1)
        else:
            progress = (steps >= 0).double()
        return 1 + (self.keep_ratio - 1) * progress

    def route(
        self,
        x: Tensor,
        is_padding: Tensor,
        state: RouterState | None = None,
        border: int | None = None,
        log_probs: Tensor | None = None,
    ) -> tuple[Routing, RouterState]:
        """Mark the frames at which segments begin.

        Arguments
        ---------
        x : Tensor
            (B, T, D), finite; values at padding have no influence.
        is_padding : Tensor
            (B, T) bool.
        state : RouterState | None
            After the frames before.
        border : int | None
            Frames after which a mean has to end, since it is needed then.
        log_probs : Tensor | None
            (B, T, V), a CTC head's output for the frames, for a router that reads it
            in their place.

        Returns
        -------
        routing : Routing
            Of (B, T) frames.
        state : RouterState
            After these frames, none of them padding.

        Raises
        ------
        ValueError
            If the router has nothing to read.
        """
        read = log_probs if self.router.reads_tokens else x
        if read is None:
            raise ValueError("router ctc-blank: needs a CTC head before the segments")
        routing, state = self.router(read, is_padding, self.current_keep_ratio, state)
        if self.training:
            self.num_steps += 1
        if border is not None and self.pool == "mean":
            frames = torch.arange(x.shape[1], device=x.device)
            begins = (frames % border == 0) & ~is_padding
            routing = Routing(
                routing.is_boundary | begins,
                torch.where(begins, 1.0, routing.probability),
            )
        return routing, state

    def compress(self, x: Tensor, is_padding: Tensor, routing: Routing) -> Segments:
        """Turn frames into segments.

        Arguments
        ---------
        x : Tensor
            (B, T, D), finite; values at padding have no influence.
        is_padding : Tensor
            (B, T) bool.
        routing : Routing
            Where segments begin.

        Returns
        -------
        Segments
            K is the largest number of segments of an utterance.
        """
        starts = boundary_frames(routing.is_boundary)
        num_segments = starts.shape[1]
        if self.pool == "mean":
            pooled = segment_means(x, routing.is_boundary, is_padding, num_segments)
        else:
            pooled = take_frames(x, starts)
        each = torch.arange(num_segments, device=x.device)
        is_beyond = each >= routing.num_segments[:, None]
        pooled = pooled.masked_fill(is_beyond[..., None], 0.0)
        return Segments(pooled, is_beyond, routing, starts)

    def expand(self, z: Tensor, segments: Segments, x: Tensor) -> Tensor:
        """Add to each frame what was added to its segment, smoothed from both ends.

        Arguments
        ---------
        z : Tensor
            (B, K, D), made of the segments.
        segments : Segments
            From `compress`.
        x : Tensor
            (B, T, D), the frames that they were made of.

        Returns
        -------
        Tensor
            (B, T, D); finite but meaningless at padding.
        """
        values = self._smooth(self._added(z, segments), segments)
        return self._expand(values, segments.routing, x)

    def settle(self, z: Tensor, segments: Segments) -> Tensor:
        """Smooth what was made of segments from both ends, and leave it in segments.

        Arguments
        ---------
        z : Tensor
            (B, K, D), made of the segments.
        segments : Segments
            From `compress`.

        Returns
        -------
        Tensor
            (B, K, D); finite but meaningless beyond the lengths.
        """
        if not segments.routing.probability.requires_grad:
            return z
        share = shares(segments).to(z.dtype)
        return self._smooth(z, segments) * share[..., None]

    def resume(
        self, z: Tensor, segments: Segments, x: Tensor, before: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Add to each frame what was added to its segment, smoothed by those before.

        Arguments
        ---------
        z : Tensor
            (B, K, D), made of the segments.
        segments : Segments
            From `compress`.
        x : Tensor
            (B, T, D), the frames that they were made of.
        before : Tensor | None
            (B, 1, D), what is added to frames of the segment before the first.

        Returns
        -------
        output : Tensor
            (B, T, D)
        last : Tensor
            (B, 1, D), what is added to frames of the last segment.
        """
        values = self._added(z, segments)
        if segments.routing.probability.requires_grad:
            values = smooth(values, shares(segments), before)
        output = self._expand(values, segments.routing, x, before)
        known = values if before is None else torch.cat([before, values], dim=1)
        return output, known[:, -1:]

    def _added(self, z: Tensor, segments: Segments) -> Tensor:
        """Return the part of z (B, K, D) that is added to frames."""
        return z - segments.x if self.project_frame is None else z

    def _smooth(self, z: Tensor, segments: Segments) -> Tensor:
        # choices are made: smoothing is for what they learn
        if not segments.routing.probability.requires_grad:
            return z
        return smooth(z, shares(segments), two_sided=True)

    def _expand(
        self, values: Tensor, routing: Routing, x: Tensor, before: Tensor | None = None
    ) -> Tensor:
        own = x if self.project_frame is None else self.project_frame(x)
        given = spread(values, routing.is_boundary, before)
        if routing.probability.requires_grad:
            # 1, with the gradient of the choice
            given = given * confidence(routing).to(given.dtype)[..., None]
        return given + own
