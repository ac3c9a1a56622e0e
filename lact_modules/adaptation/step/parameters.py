"""Which parameters of a model are adapted, and how it runs with others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from lact_modules.adaptation.objective.objectives import FrontendOutput, Pass
from lact_modules.adaptation.step.groups import (
    INPUT,
    MATRICES,
    NORMS,
    check_groups,
    own_parameters,
)
from lact_modules.adaptation.step.spec_augment import mask_bands
from lact_modules.encoders.ctc_model import CTCModel
from lact_modules.layers.fast_weight_memory import FastWeightMemory

Values = Mapping[str, Tensor]
"""Parameters by name, in the place of the model's own."""

_BATCHED = {"fast_weights", "input"}

Result = TypeVar("Result")


class Adaptable:
    """The parameters of a CTC model that an utterance may have of its own.

    Groups: ``"fast_weights"``, initial ones of all LaCT mixers; ``"input"``, the linear
    input network; ``"norms"``, scales and shifts of all normalizations;
    ``"front_end"``, the rest of the front end; ``"all"``, what front end, encoder and
    output layer have.

    The model takes initial fast weights per utterance, (B, H, ...) in the place of
    (H, ...), so a batch of utterances runs together, each with its own. So does the
    linear input network, a matrix W (B, D, D) that begins at 0 and turns the frames x
    before the encoder into x + x W (Neto et al., Eurospeech 1995). Other parameters
    cannot, so with them utterances run one by one. What several utterances share, such
    as the pieces of a recording, has the model's shapes, and any batch runs with it.
    """

    def __init__(self, model: CTCModel, groups: Sequence[str]):
        check_groups(groups)
        if model.encoder.frame_share != 1:
            raise ValueError(
                "no step is taken on segments that are not upsampled to frames, by "
                "upsample: false or an early exit: each moves their boundaries"
            )
        self.model = model
        self.parameters: dict[str, Tensor] = {
            name: parameter
            for group in groups
            for name, parameter in _find(model, group).items()
        }
        if not self.parameters:
            raise ValueError(f"the model has no parameters of {', '.join(groups)}")
        self._parts = _Parts(model)
        self.is_batched = {*groups} <= _BATCHED
        self.reaches_frontend = any(
            name.startswith("frontend.") for name in self.parameters
        )

    def start(
        self, batch_size: int | None, origin: Values | None = None
    ) -> dict[str, Tensor]:
        """Copy parameters, or those of `origin`, for some utterances to change.

        Leaves of the graph, (B, ...) if they run in batches; shared, in the model's
        shapes, if `batch_size` is None.
        """
        if not self.is_batched and batch_size not in (1, None):
            raise ValueError("these parameters are adapted for one utterance at a time")
        values = {}
        for name, parameter in {**self.parameters, **(origin or {})}.items():
            value = parameter.detach()
            if self.is_batched and batch_size is not None:
                value = value.expand(batch_size, *value.shape)
            values[name] = value.clone().requires_grad_()
        return values

    def check_own(self) -> None:
        """Raise a ValueError if something is not the model's own, to be `installed`."""
        if INPUT in self.parameters:
            raise ValueError(
                "input: no parameter of the model, which a recording's pieces share; "
                "take others"
            )

    def of_rows(self, values: Values, rows: Tensor) -> dict[str, Tensor]:
        """Copy what some utterances of a batch have, as leaves of another graph."""
        if not self.is_batched:
            return dict(values)
        return {
            name: value.detach()[rows].requires_grad_()
            for name, value in values.items()
        }

    @contextmanager
    def installed(self, values: Values) -> Iterator[None]:
        """Install other parameters in the model, in its own shapes, for a while."""
        own = {name: self.model.get_parameter(name) for name in values}
        saved = {name: parameter.data for name, parameter in own.items()}
        try:
            for name, parameter in own.items():
                parameter.data = values[name].detach()
            yield
        finally:
            for name, parameter in own.items():
                parameter.data = saved[name]

    @property
    def carried(self) -> dict[str, Tensor]:
        """Those that an utterance may leave to the next one.

        Not the linear input network: nothing bounds what it adds up over a stream.
        """
        return {name: own for name, own in self.parameters.items() if name != INPUT}

    @property
    def learned_rates(self) -> dict[str, Tensor]:
        """Sizes of a step that meta-training has learned, by parameter."""
        return {
            f"{name}.{matrix}": rate
            for name, module in self.model.named_modules()
            if isinstance(module, FastWeightMemory) and module.ttt_rates is not None
            for matrix, rate in zip(MATRICES, softplus(module.ttt_rates), strict=True)
        }

    def of_one(self, values: Values) -> dict[str, Tensor]:
        """Return the parameters of a batch of one in the model's shapes."""
        if not self.is_batched:
            return dict(values)
        return {name: value[0] for name, value in values.items()}

    def extract(
        self, values: Values, waveform: Tensor, lengths: Tensor
    ) -> FrontendOutput:
        """Run the front end."""
        frontend = self.model.frontend

        def run() -> FrontendOutput:
            features = frontend.features(waveform, lengths)
            return FrontendOutput(*features, *frontend.subsample(*features))

        return self._with(values, run)

    def look(self, values: Values, inputs: FrontendOutput, seed: int = 0) -> Pass:
        """Run encoder and output layer, and return what objectives read, with a graph.

        An utterance draws the same from `seed` in any batch.
        """
        frames = self._enter(values, inputs.frames)
        encode = partial(self._encode, values)
        generators = [torch.Generator().manual_seed(seed) for _ in inputs.lengths]

        def score(frames: Tensor) -> tuple[Tensor, Tensor]:
            hidden, _ = encode(frames, inputs.lengths)
            scores = self._with(values, partial(self.model.score_frames, hidden))
            return hidden, scores

        def score_masked() -> Tensor:
            masked = mask_bands(inputs.features, generators), inputs.num_features
            subsample = partial(self.model.frontend.subsample, *masked)
            frames, _ = self._with(values, subsample)
            return score(self._enter(values, frames))[1]

        return Pass(
            self.model,
            encode,
            frames,
            inputs.lengths,
            *score(frames),
            generators,
            score_masked,
        )

    def _enter(self, values: Values, frames: Tensor) -> Tensor:
        return frames + frames @ values[INPUT] if INPUT in values else frames

    def _encode(
        self, values: Values, frames: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self._with(values, partial(self.model.encoder, frames, lengths))

    def _with(self, values: Values, call: Callable[[], Result]) -> Result:
        """Call something that runs the model, with other parameters."""
        own = {name: value for name, value in values.items() if name != INPUT}
        result: Result = functional_call(self._parts, own, (call,))
        return result


class _Parts(nn.Module):
    """What of a model may be adapted, under the model's names."""

    def __init__(self, model: CTCModel):
        super().__init__()
        self.frontend, self.encoder = model.frontend, model.encoder
        self.output = model.output

    def forward(self, call: Callable[[], Result]) -> Result:
        return call()


def _find(model: CTCModel, group: str) -> dict[str, Tensor]:
    """Return the parameters of a group by name."""
    if group == "input":
        d_model = model.encoder.d_model
        return {INPUT: model.output.weight.new_zeros(d_model, d_model)}
    if group == "all":
        return dict(_Parts(model).named_parameters())
    if group == "fast_weights":
        return own_parameters(model, FastWeightMemory, MATRICES)
    norms = own_parameters(model, NORMS)
    if group == "norms":
        return norms
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name.startswith("frontend.") and name not in norms
    }
