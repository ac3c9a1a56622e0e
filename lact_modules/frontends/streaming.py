"""A front end for streams."""

from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.frontends.mel import MelFrontend
from lact_modules.frontends.normalization import RunningNormalization, RunningState


class FrontendState(NamedTuple):
    """The carried state of a front end, of constant size.

    ``samples`` (B, N) and ``features`` (B, T, M) are the last ones, which later frames
    see too; ``context`` of these features belong to frames that have been returned.
    ``statistics`` are those of the running normalization.
    """

    num_samples: int
    num_features: int
    samples: Tensor
    statistics: RunningState
    features: Tensor
    context: int


class StreamingFrontend:
    """Make frames of samples as they arrive; the state is an argument and a result.

    The frames are those that `MelFrontend` makes of the whole. A frame waits for the
    samples it sees, `look_ahead` of them behind its own: 11 ms, where all convolutions
    have strides.
    """

    def __init__(self, frontend: MelFrontend):
        if not isinstance(frontend.normalize, RunningNormalization):
            raise ValueError(
                "normalization='utterance' needs the whole utterance; train a "
                "streaming model, with 'running', such as lact_streaming_demo.yaml"
            )
        self.frontend, self.normalize = frontend, frontend.normalize
        self.stride = prod(frontend.strides)
        # features that a frame sees on each side of its first one
        strides = frontend.strides
        self.reach = sum(prod(strides[:i]) for i in range(len(strides)))

    @property
    def look_ahead(self) -> int:
        """Samples behind a frame's own that it sees."""
        # a feature sees as far ahead as back
        beyond = self.reach + 1 - self.stride
        return beyond * self.frontend.hop + self.frontend.look_back

    def start(self, batch_size: int) -> FrontendState:
        """Return the state before the first sample."""
        mean = self.normalize.prior_mean
        return FrontendState(
            num_samples=0,
            num_features=0,
            samples=mean.new_zeros(batch_size, self.frontend.look_back),
            statistics=self.normalize.start(batch_size),
            features=mean.new_zeros(batch_size, 0, len(mean)),
            context=0,
        )

    def accept(
        self, waveform: Tensor, state: FrontendState
    ) -> tuple[Tensor, FrontendState]:
        """Return the frames (B, T, D), perhaps none, that samples (B, N) complete."""
        state = self._add_features(waveform, state)
        new = state.features.shape[1] - state.context
        # frame u sees features stride u - reach to stride u + reach
        return self._take(max(0, (new - 1 - self.reach) // self.stride + 1), state)

    def finish(self, state: FrontendState) -> Tensor:
        """Make the remaining frames, (B, T, D), at the end of the stream."""
        hop = self.frontend.hop
        missing = -(-state.num_samples // hop) - state.num_features
        if missing:
            total = (missing - 1) * hop + self._window
            batch_size, there = state.samples.shape
            silence = state.samples.new_zeros(batch_size, total - there)
            state = self._add_features(silence, state)
        new = state.features.shape[1] - state.context
        return self._take(-(-new // self.stride), state)[0]

    @property
    def _window(self) -> int:
        return self.frontend.mel.n_fft

    def _add_features(self, waveform: Tensor, state: FrontendState) -> FrontendState:
        """Make the features that samples complete."""
        hop = self.frontend.hop
        samples = torch.cat([state.samples, waveform.float()], dim=1)
        count = max(0, (samples.shape[1] - self._window) // hop + 1)
        features, statistics = state.features, state.statistics
        if count:
            used = samples[:, : (count - 1) * hop + self._window]
            new, statistics = self.normalize.resume(
                self.frontend.log_mel(used), statistics
            )
            features = torch.cat([features, new], dim=1)
        return state._replace(
            num_samples=state.num_samples + waveform.shape[1],
            num_features=state.num_features + count,
            samples=samples[:, count * hop :],
            statistics=statistics,
            features=features,
        )

    def _take(self, count: int, state: FrontendState) -> tuple[Tensor, FrontendState]:
        """Return `count` frames, and drop the features that no later frame sees."""
        features, done = state.features, state.context // self.stride
        if not count:
            return features.new_zeros(len(features), 0, self._d_model), state
        lengths = torch.full(
            features.shape[:1], features.shape[1], device=features.device
        )
        frames, _ = self.frontend.subsample(features, lengths)
        consumed = state.context + count * self.stride
        # whole frames of context, the reach rounded up
        context = min(consumed, -(-self.reach // self.stride) * self.stride)
        state = state._replace(
            features=features[:, consumed - context :], context=context
        )
        return frames[:, done : done + count], state

    @property
    def _d_model(self) -> int:
        return self.frontend.project.out_features
